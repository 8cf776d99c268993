"""The page opens without a network, is well-formed, escapes what it is given, and says how little a few runs say."""

import csv
import re
import xml.etree.ElementTree
from html.parser import HTMLParser

import pytest
from studies.stats.curves import curve

from studies.accuracy.differences import difference
from studies.accuracy.table import BEST
from studies.convergence import area, targets
from studies.page import palette
from studies.report import summary
from studies.report.page import write_report
from studies.runs.collect import collect

VOID = {"meta", "link", "br", "img", "hr", "input", "wbr", "col"}


class Page(HTMLParser):
    """Collects references and ids, and checks that elements close in the order that they opened."""

    def __init__(self, text):
        super().__init__()
        self.open, self.references, self.ids, self.words, self.tags = [], [], [], [], []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        for name, value in attributes:
            if name in ("src", "href", "xlink:href", "srcset", "data", "action"):
                self.references.append(value)
            if name == "id":
                self.ids.append(value)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)


@pytest.fixture
def runs(tmp_path, make_run):
    for network in ("resnet18", "vgg11_bn"):
        for padding in ("zero", "partial", "reflect"):
            for seed in range(3):
                values = [10.0 * (epoch + 1) + seed + len(padding) for epoch in range(5)]
                make_run(network, padding, seed, values, targets=[30.0, 99.0])
    return tmp_path / "runs"


def test_page_is_whole_and_needs_no_network(runs):
    report = write_report(collect(runs), runs / "report")
    text = report.page.read_text()
    page = Page(text)
    assert not re.search(r"https?:|url\((?!#)|@import|<script|//cdn", text)
    assert len(page.ids) == len(set(page.ids))
    fragments = [each[1:] for each in page.references if each.startswith("#")]
    assert fragments
    assert set(fragments) <= set(page.ids)
    assert set(re.findall(r"url\(#([^)]+)\)", text)) <= set(page.ids)
    files = [each for each in page.references if not each.startswith("#")]
    assert len(files) > 2 * 18
    for each in files:
        assert (report.page.parent / each).exists(), each
    assert '<meta name="viewport"' in text
    assert "prefers-color-scheme: dark" in text
    assert "#0102" not in text
    assert "#0203" not in text


def test_names_are_escaped_everywhere(tmp_path, make_run):
    evil = '<b onclick="x">&$a_b$'
    for padding in ("zero", evil):
        for seed in (0, 1):
            folder = f"{'e' if padding == evil else 'z'} {seed}#?%"
            attempts = [{"command": ["main.py", evil], "commit": evil, "versions": {evil: evil}, "host": evil}]
            make_run(evil, padding, seed, folder=folder, attempts=attempts)
    report = write_report(collect(tmp_path / "runs"), tmp_path / "out")
    text = report.page.read_text()
    page = Page(text)
    assert "b" not in page.tags
    assert evil in "".join(page.words)
    assert "../runs/e%200%23%3F%25" in page.references
    drawn = [each.text for each in xml.etree.ElementTree.parse(tmp_path / "out" / "figure3.svg").iter()]
    # A panel's title and a line of the legend; with mathematics in it the name would be in pieces.
    assert drawn.count(evil) == 2


def test_same_runs_give_the_same_bytes(runs, tmp_path):
    for name in ("a", "b"):
        write_report(collect(runs), tmp_path / name)
    files = sorted(each.name for each in (tmp_path / "a").iterdir())
    assert files == [
        "area_between_curves.csv",
        "area_between_curves.md",
        "claims.csv",
        "claims.md",
        "claims.svg",
        "claims_evidence.csv",
        "claims_evidence.md",
        "differences.csv",
        "differences.md",
        "differences.svg",
        "epochs_to_target.csv",
        "epochs_to_target.md",
        "figure1.csv",
        "figure1.md",
        "figure1.svg",
        "figure3.csv",
        "figure3.md",
        "figure3.svg",
        "paper_table2.csv",
        "paper_table2.md",
        "paper_table3.csv",
        "paper_table3.md",
        "report.html",
        "table2_best.csv",
        "table2_best.md",
        "table3_last5.csv",
        "table3_last5.md",
    ]
    for name in files:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_curve_is_mean_and_spread_at_each_epoch(tmp_path, make_run):
    make_run(seed=0, values=(10.0, 20.0))
    make_run(seed=1, values=(14.0, 26.0, 30.0))
    collection = collect(tmp_path / "runs")
    points = curve(collection.groups[0], "val/acc1")
    assert [(p.epoch, p.mean, p.n, p.lowest, p.highest) for p in points] == [
        (1, 12.0, 2, 10.0, 14.0),
        (2, 23.0, 2, 20.0, 26.0),
        (3, 30.0, 1, 30.0, 30.0),
    ]
    assert points[0].std == pytest.approx(8**0.5)
    assert points[2].std is None
    write_report(collection, tmp_path / "out")
    with open(tmp_path / "out" / "figure3.csv") as file:
        rows = list(csv.DictReader(file))
    assert [row["n"] for row in rows] == ["2", "2", "1"]
    assert rows[2]["std"] == ""
    assert rows[0] | {"std": ""} == {
        "architecture": "resnet18",
        "scheme": "zero",
        "epoch": "1",
        "mean": "12.0",
        "std": "",
        "n": "2",
        "lowest": "10.0",
        "highest": "14.0",
    }


def test_differences_pair_equal_seeds_and_refer_to_zero(tmp_path, make_run):
    for seed, value in [(0, 10.0), (1, 12.0), (2, 14.0)]:
        make_run(seed=seed, values=(value,))
        make_run(padding="partial", seed=seed, values=(value + seed,))
    make_run(padding="reflect", seed=0, values=(11.0,))
    collection = collect(tmp_path)
    found = difference(collection, collection.groups[1], BEST)
    assert (found.kind, found.mean) == ("paired", 1.0)
    # Differences 0, 1, 2: standard error 1 / sqrt(3).
    assert found.high == pytest.approx(1 + 4.302653 / 3**0.5, abs=1e-5)
    with pytest.raises(ValueError, match="no runs with zero padding"):
        difference(collection, collection.groups[0], BEST)
    write_report(collection, tmp_path / "out")
    with open(tmp_path / "out/differences.csv") as file:
        rows = list(csv.DictReader(file))
    assert [(row["Comparison"], row["by"], row["n"], row["test"]) for row in rows] == [
        ("resnet18: partial − zero", "best", "3", "paired"),
        ("resnet18: partial − zero", "last5", "3", "paired"),
        ("resnet18: reflect − zero", "best", "1 and 3", ""),
        ("resnet18: reflect − zero", "last5", "1 and 3", ""),
    ]
    assert float(rows[0]["high"]) == found.high
    assert rows[2]["p"] == rows[2]["low"] == ""


def test_sentences_presume_no_winner_and_admit_single_runs(tmp_path, make_run):
    make_run(values=(50.0,))
    make_run(padding="partial", values=(49.0,))
    make_run("vgg11", "reflect", values=(1.0,))
    make_run("vgg13", "zero", values=(1.0,))
    said = summary.sentences(collect(tmp_path))
    assert "4 finished runs of 3 architectures" in said[0]
    assert said[1].startswith("resnet18: partial minus zero is -1.00 points by the best epoch")
    assert "interval" not in said[1]
    assert "no finished run with zero padding" in said[2]
    assert "nothing to compare it with" in said[3]
    assert "nothing tells its difference from chance" in said[4]


def test_epochs_to_targets_say_which_runs_never_reached_them(tmp_path, make_run):
    for seed, values in enumerate([(10.0, 30.0), (10.0, 20.0), (40.0, 20.0)]):
        make_run(seed=seed, values=values, targets=[30.0, 99.0])
        make_run(padding="partial", seed=seed, values=(30.0, 30.0), targets=[30.0])
    found = {(each.group.padding, each.target): each for each in targets.reached(collect(tmp_path))}
    zero, partial = found["zero", 30.0], found["partial", 30.0]
    assert (zero.epochs, zero.mean) == ((2, None, 1), 1.5)
    # The means of the epochs are 20 and 23.3.
    assert zero.mean_curve is None
    assert partial.mean_curve == 1
    # A difference from a mean over some runs only would flatter zero padding.
    assert partial.difference is None
    assert found["zero", 99.0].mean is None
    reached = targets.reached(collect(tmp_path), [10.0])
    assert [each.difference and each.difference.mean for each in reached] == [None, 0.0]
    assert targets.study(collect(make_run(folder="elsewhere/x").path.parent), tmp_path) is None


def test_area_is_the_sum_of_the_differences_and_drift_counts_falls(tmp_path, make_run):
    for seed in (0, 1):
        make_run(seed=seed, values=(10.0, 20.0, 15.0))
        make_run(padding="partial", seed=seed, values=(11.0, 24.0 + seed, 24.0, 99.0))
    (found,) = area.areas(collect(tmp_path))
    # Epoch 4 is not in every run: (1 + 4 + 9) and (1 + 5 + 9).
    assert (found.epochs, found.area) == (3, pytest.approx(14.5))
    assert found.lead.mean == pytest.approx(14.5 / 3)
    # partial falls by 0 and 1, zero by 5, each over two steps.
    assert found.drift == pytest.approx(0.25)
    assert found.drift_difference.mean == pytest.approx(0.25 - 2.5)


def test_the_papers_schemes_keep_their_colours_and_eight_are_distinct():
    all_of_them = palette.styles(["zero", "partial", *"abcdefg"])
    assert palette.styles(["partial"])["partial"] == all_of_them["partial"]
    first_eight = list(all_of_them.values())[:8]
    assert len({style.index for style in first_eight}) == 8
    assert len({(style.index, style.dash) for style in first_eight}) == 8


@pytest.mark.parametrize(("colours", "ground"), [(palette.LIGHT, "#ffffff"), (palette.DARK, "#14171b")])
def test_lines_stand_out_from_their_ground(colours, ground):
    def luminance(colour):
        channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    for colour in colours:
        darker, lighter = sorted([luminance(colour), luminance(ground)])
        assert (lighter + 0.05) / (darker + 0.05) >= 3, colour


def test_segmentation_runs_are_table_5(make_run, tmp_path):
    """mIoU has a table of its own in the paper, and none of the last five epochs; splits are not pooled."""
    for split in (0, 2):
        for padding, value in (("zero", 60.0 + split), ("partial", 61.0 + split)):
            make_run(
                network="resnet50",
                padding=padding,
                folder=f"{split}-{padding}",
                values=(value - 5, value),
                monitor="val/miou",
                variant=f"split{split}",
            )
    collection = collect(tmp_path / "runs")
    assert collection.networks == ("resnet50-split0", "resnet50-split2")
    write_report(collection, tmp_path / "report")
    table = (tmp_path / "report/table5_best.md").read_text()
    assert "| resnet50-split0_partial | 61.000 | 61.000 | +1.000 | - | 1 | 78.204 | +0.120 |" in table
    assert "| resnet50-split2_zero | 62.000 | 62.000 | - | - | 1 | 76.583 | - |" in table
    assert (tmp_path / "report/last5.csv").is_file()
    page = (tmp_path / "report/report.html").read_text()
    assert "Best epoch of each run (Table 5)" in page
    assert "(Table 3)" not in page
