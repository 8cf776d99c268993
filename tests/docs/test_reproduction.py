"""docs/reproduction.md: nothing of the paper is missing from it, and what it names is there."""

import re

import pytest
import yaml

from cli.app import COMMANDS
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


def test_every_command_exists():
    named = re.findall(r"main\.py ([\w-]+)", PAGE)
    assert named
    assert set(named) <= set(COMMANDS)


def test_every_file_and_link_exists():
    named = re.findall(r"`((?:configs|sweeps|docs|scripts|tests)/[\w./]+)`", PAGE)
    links = [f"docs/{link}" for link in re.findall(r"\]\(([^)#]+)\)", PAGE) if not link.startswith("http")]
    assert {"sweeps/imagenet.yaml", "docs/method.svg"} <= {*named, *links}
    assert [path for path in (*named, *links) if not (ROOT / path).exists()] == []


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


def test_code_that_the_deviations_name_exists():
    deviations = PAGE[PAGE.index("## Deviations") :]
    named = re.findall(r"\(`(\w+/[\w/]+\.py)`", deviations)
    assert len(named) > 10
    missing = [path for path in named if not (ROOT / path).exists()]
    assert missing == []


def test_every_experiment_of_the_paper_is_in_the_table_of_runs():
    files = [
        *ROOT.glob("sweeps/*.yaml"),
        *ROOT.glob("configs/imagenet/*.yaml"),
        *ROOT.glob("configs/cityscapes/*.yaml"),
    ]
    assert [file.name for file in files if f"`{file.relative_to(ROOT).as_posix()}`" not in PAGE] == []
