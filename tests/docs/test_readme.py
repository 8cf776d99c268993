"""What the README shows works as it stands there."""

import re

import pytest
import torch

from cli.sweep.file import read_sweep
from tests.support.program import ROOT
from training.program import parse

README = (ROOT / "README.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)


def test_the_python_lines_run(capsys):
    (code,) = blocks("python")
    names: dict = {}
    exec(code, names)
    assert "17 Conv2d converted" in capsys.readouterr().out
    assert names["logits"].shape == (1, 1000)
    assert type(names["model"].conv1) is torch.nn.Conv2d


def test_the_training_commands_parse(monkeypatch):
    monkeypatch.chdir(ROOT)
    commands = [line for line in README.splitlines() if line.startswith("python main.py fit")]
    assert commands
    for line in commands:
        assert parse(line.split()[2:])["model"]["init_args"]["padding"] == "partial"


@pytest.mark.parametrize("path", sorted(ROOT.glob("sweeps/*.yaml")), ids=lambda path: path.name)
def test_the_sweep_files_read(path):
    assert read_sweep(path).program == "main.py"


def test_links_and_folders_exist():
    links = re.findall(r"\]\(([^)#]+)\)", README)
    local = [link for link in links if not link.startswith("http")]
    assert all((ROOT / link).exists() for link in local), local
    folders = re.findall(r"^\| `(\w+)/`", README, flags=re.MULTILINE)
    assert all((ROOT / folder).is_dir() for folder in folders)
