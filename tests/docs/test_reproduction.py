"""docs/reproduction.md: nothing of the paper is missing from it, and what it names is there."""

import re

import pytest
import yaml

from tests.support.program import ROOT

PAGE = (ROOT / "docs/reproduction.md").read_text()
ROWS = [[cell.strip() for cell in line.strip("|").split("|")] for line in PAGE.splitlines() if line.startswith("|")]


@pytest.mark.parametrize("name", [f"Table {n}" for n in range(1, 8)] + [f"Figure {n}" for n in range(1, 9)])
def test_every_table_and_figure_has_one_row_with_its_command(name):
    (row,) = [row for row in ROWS if row[0] == name]
    _, shows, command, source, hours, study = row
    assert re.match(r"`python (main\.py|-m docs\.draw_method)", command)
    assert all((shows, source, hours, study))
    if study.startswith("`studies/"):
        assert (ROOT / study.strip("`")).is_dir()


def test_every_configuration_says_what_to_expect_as_the_paper_prints_it():
    section = PAGE[PAGE.index("## What to expect") : PAGE.index("## The studies")]
    files = [file.relative_to(ROOT).as_posix() for file in ROOT.glob("configs/*/*.yaml")]
    assert [file for file in files if f"`{file}`" not in section] == []
    paper = yaml.safe_load((ROOT / "studies/runs/paper.yaml").read_text())
    rows = [row for row in ROWS if row[3:4] in (["Table 2"], ["Table 5"])]
    for row, below in zip(rows, [None, *rows], strict=False):
        split = 2 if row[0].startswith("the same") else 0
        network = re.search(r"(\w+)\.yaml", (below if split else row)[0])[1]
        table = paper["table2" if row[3] == "Table 2" else "table5"]["rows"]
        means = {
            each["padding"]: each["average"]
            for each in table
            if (each["network"], each.get("split", 0)) == (network, split)
        }
        assert [float(row[1]), float(row[2])] == [means["zero"], means["partial"]]
    assert len(rows) == 9


def test_every_experiment_of_the_paper_is_in_the_table_of_runs():
    files = [*ROOT.glob("sweeps/*.yaml"), *ROOT.glob("configs/*/*.yaml")]
    assert [file.name for file in files if f"`{file.relative_to(ROOT).as_posix()}`" not in PAGE] == []
