"""What the README shows works as it stands there."""

import re
import shlex

import pytest
import torch

from padding import registry
from studies import STUDIES, find
from studies.runs.options import DOTTED, make_parser
from tests.support.program import ROOT, main_here
from training.program import parse

README = (ROOT / "README.md").read_text()


def blocks(language: str, text: str = README) -> list[str]:
    found = re.findall(r"^```(\w*)\n(.*?)^```", text, flags=re.DOTALL | re.MULTILINE)
    return [code for name, code in found if name == language]


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
    runs = "4 finished runs of 1 architecture (test_resnet) with 2 padding schemes (zero, partial), 3 epochs each"
    assert runs in printed.out
    assert "warning" not in printed.out + printed.err


@pytest.mark.parametrize("page", ["padding", "masks", "schemes"])
def test_the_pages_examples_run(page, monkeypatch, capsys):
    """But for exports, which take a minute; test_graphs.py has them. What they print as comments is printed."""
    monkeypatch.setattr(registry, "_SCHEMES", registry._SCHEMES.copy())
    names: dict = {}
    for code in blocks("python", (ROOT / f"docs/{page}.md").read_text()):
        if "onnx" not in code:
            exec(code, names)
            assert "report.reasons" not in code or capsys.readouterr().out.splitlines()[-1] in code


def commands() -> list[list[str]]:
    """What follows `python main.py` on all pages; settings of a run that is not there are left out."""
    pages = "\n".join(page.read_text() for page in [ROOT / "README.md", *sorted(ROOT.glob("docs/*.md"))])
    lines = "".join(blocks("", pages)).replace("\\\n", "").splitlines() + re.findall("`(python main.py [^`]+)`", pages)
    found = [shlex.split(line, comments=True)[2:] for line in lines if line.startswith("python main.py")]
    return [words for words in found if not re.search(r"RUN/|\$R|help|\[", " ".join(words))]


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_the_commands_parse(words, monkeypatch):
    monkeypatch.chdir(ROOT)
    name, *rest = words
    if rest and name == "fit":
        parse(words)
    elif rest and (study := find(name)):
        make_parser(name, study.load("command:main")).parse_args([each for each in rest if not DOTTED.match(each)])


def test_the_folders_exist():
    assert all((ROOT / folder).is_dir() for folder in re.findall(r"^\| `(\w+)/`", README, flags=re.MULTILINE))


def test_every_study_has_a_folder_a_line_in_the_list_and_a_row_in_the_docs():
    folders = {path.parent.name for path in (ROOT / "studies").glob("*/command.py")} - {"runs"}
    assert folders == {study.folder for study in STUDIES}
    rows = re.findall(r"^\| (`.*?) \|", (ROOT / "docs/studies.md").read_text(), flags=re.MULTILINE)
    named = {words.split()[0] for row in rows for words in re.findall(r"`(.*?)`", row)}
    assert {study.name for study in STUDIES} - {"report"} == named
