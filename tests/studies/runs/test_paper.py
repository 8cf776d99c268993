"""The paper's figures: do averages, differences and standard deviations follow from its runs? Where not, it is listed.

The last digit of an average is off by up to 0.001 in places, which is as far as rounding its printed runs can take it.
"""

from math import sqrt

import pytest

from studies.runs import paper

ROUNDING = 0.0011

MISPRINTED = {
    ("table3", "vgg19_bn", "reflect", "diff"): "printed as -0.415, but 73.923 - 74.388 = -0.465",
}
"""Where the paper's arithmetic does not hold, beside its two conventions of the standard deviation."""


@pytest.mark.parametrize("name", ["table2", "table3", "table4", "table5"])
def test_averages_follow_from_the_runs_and_differences_from_the_averages(name):
    for row in paper.rows(name):
        assert sum(row["runs"]) / len(row["runs"]) == pytest.approx(row["average"], abs=ROUNDING), row
        # Table 4 subtracts the same weights under their own scheme.
        trained = row["padding"]
        own = {"padding": trained, "padding_at_test": trained} if name == "table4" else {"padding": "zero"}
        same = {key: row[key] for key in ("network", "split") if key in row}
        reference = paper.row(name, **same, **own)
        follows = row["average"] - reference["average"] == pytest.approx(row.get("diff", 0), abs=ROUNDING)
        assert follows != ((name, row["network"], row["padding"], "diff") in MISPRINTED), row
        assert ("diff" in row) == (row is not reference)
    schemes = {row["padding"] for row in paper.rows(name)}
    assert schemes == {"zero", "partial"} | ({"reflect", "replicate"} if name in ("table2", "table3") else set())


@pytest.mark.parametrize("name", ["table2", "table3"])
def test_the_standard_deviation_has_two_conventions(name):
    """Divisor n - 1 for reflection and replication, n + 1 for zero and partial, and neither the other way round."""
    for row in paper.rows(name):
        values, n = row["runs"], len(row["runs"])
        squares = sum((value - sum(values) / n) ** 2 for value in values)
        usual, small = sqrt(squares / (n - 1)), sqrt(squares / (n + 1))
        fits, does_not = (small, usual) if row["padding"] in ("zero", "partial") else (usual, small)
        assert row["stdev"] == pytest.approx(fits, abs=0.0006), row
        assert row["stdev"] != pytest.approx(does_not, abs=0.0006), row


def test_table_4_repeats_table_2():
    for trained in ("zero", "partial"):
        own = paper.row("table4", padding=trained, padding_at_test=trained)
        assert own["runs"] == paper.row("table2", network="resnet50", padding=trained)["runs"]


def test_table_7_and_table_6_agree_and_the_differences_follow():
    zero, partial = paper.rows("table7")
    diffs = paper.content()["table7"]["diff"]
    assert partial["regular"] - zero["regular"] == pytest.approx(diffs["regular"], abs=ROUNDING)
    assert list(zero["leave_out"]) == list(partial["leave_out"]) == ["0", "1/3", "1/2", "2/3", "3/4", "7/8"]
    for share, value in zero["leave_out"].items():
        assert partial["leave_out"][share] - value == pytest.approx(diffs[share], abs=ROUNDING)
    for row in (zero, partial):
        same = paper.row("table6", network=row["network"], padding=row["padding"])
        assert (same["regular"], same["tiled_0"]) == (row["regular"], row["leave_out"]["0"])
        # One of the three runs of Table 5, additional split, each.
        assert row["regular"] in paper.row("table5", network="wide_resnet38", split=2, padding=row["padding"])["runs"]


def test_table_1_is_relative_to_zero():
    for row in paper.rows("table1"):
        zero = paper.row("table1", network=row["network"], padding="zero")
        assert 100 * row["time"] / zero["time"] == pytest.approx(row["relative"], abs=0.006)


def test_a_row_is_one():
    assert paper.row("table2", network="resnet18") is None
    assert paper.row("table2", network="resnet101", padding="zero")["average"] == 77.832
    with pytest.raises(ValueError, match="has 4 rows"):
        paper.row("table2", network="resnet101")
