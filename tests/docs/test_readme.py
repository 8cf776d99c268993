"""What the README shows works as it stands there."""

import re

import torch

from studies import STUDIES
from tests.support.program import ROOT, main_here
from training.program import parse

README = (ROOT / "README.md").read_text()


def blocks(language: str, text: str = README) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", text, flags=re.DOTALL)


def test_the_python_lines_run(capsys):
    (code,) = blocks("python")
    names: dict = {}
    exec(code, names)
    assert "17 Conv2d converted" in capsys.readouterr().out
    assert names["logits"].shape == (1, 1000)
    assert type(names["model"].conv1) is torch.nn.Conv2d


def test_runs_of_a_loop_of_ones_own_are_reported(tmp_path, monkeypatch, capsys):
    """docs/own_training.md, with a run fewer of each scheme."""
    monkeypatch.chdir(tmp_path)
    (code,) = blocks("python", (ROOT / "docs/own_training.md").read_text())
    exec(code.replace("range(3)", "range(2)"), {})
    assert main_here("report", "runs/own") == 0
    printed = capsys.readouterr()
    assert (
        "4 finished runs of 1 architecture (test_resnet) with 2 padding schemes (zero, partial), 3 epochs each"
        in printed.out
    )
    assert "warning" not in printed.out + printed.err


def test_hidden_padding_is_reported_as_the_docs_show(capsys):
    code = next(code for code in blocks("python", (ROOT / "docs/padding.md").read_text()) if "class Down" in code)
    exec(code, {})
    assert capsys.readouterr().out.strip() in code


def test_the_training_commands_parse(monkeypatch):
    monkeypatch.chdir(ROOT)
    commands = [line for line in README.splitlines() if line.startswith("python main.py fit")]
    assert commands
    for line in commands:
        assert parse(line.split()[2:])["model"]["init_args"]["padding"] == "partial"


def test_links_and_folders_exist():
    links = re.findall(r"\]\(([^)#]+)\)", README)
    local = [link for link in links if not link.startswith("http")]
    assert all((ROOT / link).exists() for link in local), local
    folders = re.findall(r"^\| `(\w+)/`", README, flags=re.MULTILINE)
    assert all((ROOT / folder).is_dir() for folder in folders)


def test_every_study_has_a_folder_a_line_in_the_list_and_a_row_in_the_docs():
    folders = {path.parent.name for path in (ROOT / "studies").glob("*/command.py")} - {"runs"}
    assert folders == {study.folder for study in STUDIES}
    rows = re.findall(r"^\| (`.*?) \|", (ROOT / "docs/studies.md").read_text(), flags=re.MULTILINE)
    named = {words.split()[0] for row in rows for words in re.findall(r"`(.*?)`", row)}
    assert {study.name for study in STUDIES} - {"report"} == named
