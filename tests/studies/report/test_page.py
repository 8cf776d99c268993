"""The report: whole, the same each time, and every name on it escaped."""

import re
import xml.etree.ElementTree

from studies.report.page import PAGE, write_report
from studies.runs.collect import collect

TABLES = ("claims", "claims_evidence", "differences", "epochs_to_target", "figure3", "table2_best", "table3_last5")
DRAWINGS = ("figure1.svg", "figure3.svg")
EVIL = '<b onclick="x">&$a_b$'


def test_same_bytes_again_and_links_to_every_file_and_run(tmp_path, make_run):
    for network, schemes in {"resnet18": ("zero", "partial", "reflect"), "vgg11_bn": ("zero", "partial")}.items():
        for padding in schemes:
            for seed in (0, 1):
                values = [10.0 * (epoch + 1) + seed + len(padding) for epoch in range(5)]
                make_run(network, padding, seed, values, targets=[30.0, 99.0])
    make_run(seed=2, finished=False, max_epochs=9)
    for name in "ab":
        write_report(collect(tmp_path / "runs"), tmp_path / name)
    one, other = (tmp_path / name / PAGE for name in "ab")
    files = sorted(each.name for each in one.parent.iterdir())
    assert {*files} >= {f"{t}.{kind}" for t in TABLES for kind in ("csv", "md")} | {*DRAWINGS, "report.html"}
    for name in files:
        assert (one.parent / name).read_bytes() == (other.parent / name).read_bytes()
    text = one.read_text()
    assert [each for each in files if each != "report.html" and f'href="{each}"' not in text] == []
    links = [each for each in re.findall(r' href="([^"]+)"', text) if not each.startswith("#")]
    assert len(links) > 2 * 10
    assert [each for each in links if not (one.parent / each).exists()] == []
    assert "Not quite like with like" not in text
    assert re.search(r"Left out of all tables.*runs/resnet18-zero-seed2\".*unfinished: 2 of 9 epochs.*<h2>", text, re.S)


def test_names_are_escaped_in_every_study(tmp_path, make_run):
    for padding in ("zero", EVIL):
        for seed in (0, 1):
            attempts = [{"command": ["main.py", EVIL], "commit": EVIL, "versions": {EVIL: EVIL}, "host": EVIL}]
            make_run(EVIL, padding, seed, folder=f"{'e' if padding == EVIL else 'z'} {seed}#?%", attempts=attempts)
    write_report(collect(tmp_path / "runs"), tmp_path / "out")
    text = (tmp_path / "out" / PAGE).read_text()
    assert "<b onclick" not in text
    assert "../runs/e%200%23%3F%25" in text
    drawn = [each.text for each in xml.etree.ElementTree.parse(tmp_path / "out" / "figure3.svg").iter()]
    # A panel's title and a line of the legend; with mathematics in it the name would be in pieces.
    assert drawn.count(EVIL) == 2
