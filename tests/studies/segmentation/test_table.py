"""Tables 6 and 7 from made-up counts, against sums and quantiles taken here."""

import numpy as np
import pytest
from scipy.stats import t

from studies.page.terminal import renderables
from studies.runs.collect import collect
from studies.segmentation.table import compared_blocks, study_border, study_tiles
from tests.support.segmentation_counts import border_values, tile_values


@pytest.fixture
def write(collection, tmp_path, rows_of):
    """Both sections, and the rows of each file by its stem."""

    def write():
        output = tmp_path / "out"
        output.mkdir()
        sections = study_tiles(collection(), output), study_border(collection(), output)
        return sections, {path.stem: rows_of(path) for path in output.glob("*.csv")}

    return write


def numbers(rows):
    """Heading of a row to its numbers."""
    cells = ([*row.values()] for row in rows)
    return {first: [float(cell) if cell else None for cell in row] for first, _, *row, _, _ in cells}


def test_every_cell(make_tested, write):
    for padding in ("partial", "zero"):
        for seed in (1, 0):
            make_tested(padding, seed)
    _, files = write()
    for stem, of, columns in (
        ("table6_tiles", tile_values, ["regular", "0 tile overlap", "1/3 tile overlap"]),
        (
            "table7_border",
            lambda *run: [tile_values(*run)[0], *border_values(*run)],
            ["regular", "0", "1/3 x 1/3", "7/8 x 7/8"],
        ),
    ):
        zero, partial = (np.array([of(padding, seed) for seed in (0, 1)]) for padding in ("zero", "partial"))
        rows = files[stem]
        assert [*rows[0]] == ["Padding", "tested", *columns, "n", "network"]
        found, expected = numbers(rows), {"net-split0_zero": zero.mean(0), "net-split0_partial": partial.mean(0)}
        expected |= {
            f"{name}, seed {s}": side[s] for name, side in (("zero", zero), ("partial", partial)) for s in (0, 1)
        }
        assert list(found) == list(expected)
        for heading, cells in expected.items():
            assert found[heading] == pytest.approx(list(cells), abs=1e-9), heading
        assert [row["n"] for row in rows] == ["2"] * 2 + ["1"] * 4
        # The differences by column, with their paired interval from two seeds by hand.
        each_run = partial - zero
        half = t.ppf(0.975, 1) * np.abs(each_run[0] - each_run[1]) / 2
        below = files[f"{stem}_differences"]
        assert [row["mIoU"] for row in below] == columns
        assert {row["Comparison"] for row in below} == {"net-split0: partial − zero"}
        assert {(row["test"], row["n"]) for row in below} == {("paired", "2")}
        assert [float(row["diff"]) for row in below] == pytest.approx(list(each_run.mean(0)), abs=1e-9)
        ends = [tuple(map(float, row["95 % interval"].split(" to "))) for row in below]
        for (low, high), middle, width in zip(ends, each_run.mean(0), half, strict=True):
            assert (low, high) == pytest.approx((middle - width, middle + width), abs=0.0051)


def test_no_difference_is_taken_across_settings(make_tested, write, collection):
    for seed in (0, 1):
        make_tested("zero", seed)
        make_tested("zero", seed, "small", tile_size=120)
    make_tested("partial", 0)
    make_tested("partial", 0, "half", precision="bf16-mixed")
    sections, files = write()
    # Partial padding was not tested in tiles of 120, and zero not in bf16: nothing there to subtract.
    below = files["table6_tiles_differences"]
    assert [row["tested"] for row in below] == ["tiles of the shorter side, 32-true"] * 3
    assert "tested" in [column.name for column in sections[0].blocks[1].shown]
    # Claims take the setting of most runs.
    assert [block.test for block in compared_blocks(collection())] == ["tiles of the shorter side, 32-true"]


def test_what_is_missing_is_named_beside_the_rest(make_tested, write, page_of):
    make_tested("zero")
    make_tested("partial")
    (make_tested("partial", 1).evaluations / "best.json").unlink()
    sections, files = write()
    printed = "\n".join(map(str, renderables(sections[0].blocks)))
    for said in (printed, page_of(sections[0])):
        assert "not tested: net-partial-seed1. python main.py segmentation" in said
    for stem in ("table6_tiles", "table7_border"):
        assert all(row["diff"] and not row["95 % interval"] for row in files[f"{stem}_differences"])
    assert numbers(files["table6_tiles"])["net-split0_zero"] == pytest.approx(tile_values("zero", 0))


def test_untested_runs_are_said_and_classifiers_have_no_section(make_run, collection, tmp_path):
    make_run(padding="zero", monitor="val/miou")
    section = study_tiles(collection(), tmp_path)
    assert "not run. python main.py segmentation" in "\n".join(map(str, renderables(section.blocks)))
    assert study_border(collection(), tmp_path) is None
    make_run(seed=3)
    classifiers = collect(tmp_path / "runs", "val/acc1")
    assert study_tiles(classifiers, tmp_path) is study_border(classifiers, tmp_path) is None


def test_the_papers_rows_stand_beside_its_own_network_and_split_alone(make_tested, write):
    for padding in ("zero", "partial"):
        for variant in ("split2", "split0"):
            make_tested(padding, of_run={"network": "wide_resnet38", "variant": variant})
    _, files = write()
    published = [row for row in files["table7_border"] if row["Padding"].startswith("paper")]
    assert {row["network"] for row in published} == {"wide_resnet38-split2"}
    # Proportions that were not counted here are not shown, and those of the paper stand under their own.
    assert [[*row.values()][2:6] for row in published] == [
        ["79.069", "79.53", "80.298", "78.981"],
        ["79.082", "79.907", "80.683", "80.23"],
        ["0.012", "0.377", "0.385", "1.249"],
    ]
    *_, difference = [[*row.values()] for row in files["table6_tiles"] if row["Padding"] == "paper: diff"]
    assert [float(cell) for cell in difference[2:5]] == pytest.approx([0.013, 0.377, 0.374], abs=1e-9)
    printed = [row["paper: diff"] for row in files["table7_border_differences"]]
    assert printed == ["", "", "", "", "0.012", "0.377", "0.385", "1.249"]
