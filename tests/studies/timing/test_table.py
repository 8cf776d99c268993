"""Table 1 from times made up here, against ratios and ranks taken by hand."""

import dataclasses
import json

import pytest

from studies.page.tables import Table
from studies.runs.collect import Collection
from studies.timing.record import TimingCase, TimingRecord
from studies.timing.table import section, study

FIRST = {"zero": [0.02, 0.04], "zero again": [0.02, 0.05], "partial": [0.03, 0.05], "circular": [0.04, 0.04]}
# In milliseconds; round by round partial takes 1, 2, 3, 4, 5, 6, 7 times as long, in another order.
LATER = {
    "zero": [10, 20, 10, 10, 30, 10, 20],
    "zero again": [10, 20, 10, 10, 30, 10, 20],
    "partial": [70, 20, 60, 20, 150, 30, 80],
    "circular": [5, 10, 5, 5, 15, 5, 10],
}


def case(network="resnet50", size=(224, 224), mode="eager", **changes):
    later = {scheme: [time / 1000 for time in times] for scheme, times in LATER.items()}
    return dataclasses.replace(TimingCase(network, *size, mode, 53, [], FIRST, later), **changes)


def record(*cases, **changes):
    settings = {"device": "cpu", "hardware": "a <processor>", "threads": 2, "batch_size": 1}
    settings |= {"warm_up": 3, "clock": "wall"}
    return TimingRecord(**{**settings, **changes}, cases=list(cases))


def test_every_cell(tmp_path, rows_of):
    found = section([record(case())], tmp_path)
    table = {row["Network"]: row for row in rows_of("table1_timing.csv")}
    # The null pair stands beside zero padding, then the paper's order.
    assert [name.removeprefix("resnet50_") for name in table][::2] == [
        "zero (1st)",
        "zero again (1st)",
        "partial (1st)",
        "circular (1st)",
    ]
    later = table["resnet50_partial (2nd - nth)"]
    # Sorted: 20 20 30 60 70 80 150. Ratios in percent: 700 100 600 200 500 300 400; of seven, lowest and highest bound
    # the median with a confidence of 1 - 2/128, second and sixth with 1 - 16/128 only.
    assert [float(later[name]) for name in ("ms", "25 %", "75 %")] == pytest.approx([60, 25, 75])
    assert [float(later[name]) for name in ("relative", "low", "high")] == pytest.approx([400, 100, 700])
    assert (later["n"], later["paper_ms"], later["paper_relative"]) == ("7", "5.975", "103.39")
    first = table["resnet50_partial (1st)"]
    # The median of 150 % and 125 %, and not 40 ms over 30 ms.
    assert float(first["relative"]) == pytest.approx(137.5)
    assert (first["low"], first["n"], first["paper_relative"]) == ("", "2", "129.71")
    assert table["resnet50_zero (2nd - nth)"]["paper_ms"] == "5.779"
    # Zero padding is what the others are related to; the null pair is related to it like them.
    ends = {name: table[f"resnet50_{name} (2nd - nth)"]["low"] for name in ("zero", "zero again")}
    assert ends == {"zero": "", "zero again": "100.0"}
    assert table["resnet50_zero (1st)"]["paper_ms"] == table["resnet50_circular (1st)"]["paper_ms"] == ""
    assert {file.name for file in found.files} == {f"table1_timing.{kind}" for kind in ("csv", "md")}
    assert all(file.is_file() for file in found.files)


@pytest.mark.parametrize(
    "other",
    [
        record(case(mode="compiled")),
        record(case(size=(224, 256))),
        record(case(), batch_size=2),
        record(case(network="resnet34")),
    ],
    ids=["compiled", "size", "batch", "network"],
)
def test_the_paper_stands_beside_what_it_measured_only(other, tmp_path, rows_of):
    section([other], tmp_path)
    assert {row["paper_ms"] for row in rows_of("table1_timing.csv")} == {""}


def test_what_differs_is_a_column_and_what_does_not_is_in_the_title(tmp_path):
    found = section([record(case(), case(mode="compiled"), hardware="GPU", device="cuda")], tmp_path)
    (table,) = (block for block in found.blocks if isinstance(block, Table))
    heads = [column.name for column in table.shown]
    assert "mode" in heads
    assert not {"size", "hardware", "threads"} & set(heads)
    assert table.title == "Inference time (Table 1): resnet50, 224 x 224 pixels, batch of 1, GPU"


def test_a_report_reads_every_record_and_names_a_damaged_one(tmp_path, page_of):
    collection = Collection(tmp_path, "val/acc1", (), ())
    assert study(collection, tmp_path) is None
    folder = tmp_path / "timing"
    (folder / "gpu").mkdir(parents=True)
    record(case()).write(folder / "timing.json")
    record(case(), hardware="another").write(folder / "gpu/timing.json")
    # Without the null pair.
    old = (folder / "timing.json").read_text().replace('"zero again"', '"null"')
    (folder / "timing-old.json").write_text(old)
    found = study(collection, tmp_path)
    text = (tmp_path / "table1_timing.csv").read_text()
    assert "another" in text
    assert "a <processor>" in text
    page = page_of(found)
    assert "a &lt;processor&gt;" in page
    assert "timing-old.json is damaged" in page


def test_a_record_of_an_earlier_version_says_in_what_precision_it_was_measured(tmp_path):
    record(case()).write(tmp_path / "timing.json")
    old = json.loads((tmp_path / "timing.json").read_text()) | {"precision": "bf16-mixed", "channels_last": True}
    (tmp_path / "timing.json").write_text(json.dumps(old | {"seed": 7}))
    found = section([TimingRecord.read(tmp_path / "timing.json")], tmp_path)
    (table,) = (block for block in found.blocks if isinstance(block, Table))
    assert "bf16-mixed, channels last" in table.title
