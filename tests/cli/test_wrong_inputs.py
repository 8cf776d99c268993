"""Wrong inputs, a line each in wrong_inputs.yaml: every one gets one message and status 2, and leaves no file."""

import os
import re
import shlex
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import yaml
from PIL import Image

from records import find_runs
from tests.support.program import NO_DASHBOARD, ROOT, SMALL, SMALL_SCENES, main_here
from training.checkpoint_files import RESUME

TABLE = yaml.safe_load(Path(__file__).with_name("wrong_inputs.yaml").read_text())

START = {
    "fit": ["fit", *SMALL, NO_DASHBOARD, "--data.root={tree}", "--run.root={here}/runs"],
    "scenes": ["fit", *SMALL_SCENES, "--data.root={streets}", "--run.root={here}/runs"],
    **{
        name: [name, "--config={run}/config.yaml", "--ckpt_path={run}/checkpoints/best.ckpt"]
        for name in ("validate", "test", "predict")
    },
    "program": [],
}
"""What precedes the options of a group's cases; a later option wins over these."""

SWEEP_BEGINS = {
    "sweep": "",
    "parameters": "method: grid\nprogram: main.py\ncommand: ['${program}', fit]\nparameters: ",
}
"""What precedes the text of a case in a sweep file."""


def cases() -> list:
    found = []
    for group, entries in TABLE.items():
        where, _, mark = group.partition(" ")
        for number, entry in enumerate(entries if isinstance(entries, list) else entries.items()):
            name = f"{where}-{number}-{str(entry[0])[:60]}"
            found.append(pytest.param(where, *entry, id=name, marks=[pytest.mark.slow] if mark else []))
    return found


class _Calls:
    def __reduce__(self):
        return os.system, ("touch called",)


def _save(content, change: Callable[[bytes], bytes] | None = None) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        torch.save(content, path)
        if change:
            path.write_bytes(change(path.read_bytes()))

    return write


def _zip(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("notes.txt", "no weights")


FILES = {
    "text.ckpt": lambda path: path.write_text("epoch 3, step 24\n"),
    "empty.ckpt": lambda path: path.write_bytes(b""),
    "picture.ckpt": lambda path: path.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(64)),
    "zip.ckpt": _zip,
    "tensor.ckpt": _save(torch.ones(3)),
    "timm.ckpt": _save({"conv1.weight": torch.ones(3), "fc.bias": torch.ones(2)}),
    "wrapped.ckpt": _save({"model": {"conv1.weight": torch.ones(3)}}),
    "calls.ckpt": _save({"state_dict": _Calls()}),
    "scenes.ckpt": _save({key: {} for key in (*RESUME, "padding")} | {"network": "deeplabv3plus-tiny_resnet10"}),
    "half.ckpt": _save({"state_dict": {"a": torch.ones(999)}}, lambda content: content[: len(content) // 2]),
    "a_file": lambda path: path.write_text("here"),
    "folder": lambda path: path.mkdir(),
    "picture.png": lambda path: path.write_bytes(b"no picture"),
    "wide.png": lambda path: Image.new("I;16", (8, 8), 300).save(path),
}


@pytest.fixture(scope="session")
def places(sample_tree, sample_streets, trained_pair, tmp_path_factory) -> dict[str, Path]:
    """What a case names in braces."""
    made = tmp_path_factory.mktemp("made")
    for name, make in FILES.items():
        make(made / name)
    runs = shutil.copytree(trained_pair, made / "runs")
    named = {"repository": ROOT, "tree": sample_tree, "streets": sample_streets, "made": made, "runs": runs}
    return {**named, **{run.path.name: run.path for run in find_runs(runs)}, "run": runs / "zero"}


def content_of(folder: Path) -> dict[Path, int]:
    # A folder's time changes when it is asked whether it can be written.
    found = [path for path in folder.rglob("*") if "home" not in path.parts]
    return {path: 0 if path.is_dir() else path.stat().st_mtime_ns for path in found}


@pytest.fixture
def refused(places, tmp_path, monkeypatch, capsys):
    """A function that runs main.py in an empty folder, and gives the one message that it must end with."""

    def run(*arguments: str) -> str:
        named = {**places, "here": tmp_path}
        before = content_of(tmp_path), content_of(places["made"])
        filled = [re.sub(r"\{(\w+)\}", lambda found: str(named[found[1]]), each) for each in arguments]
        monkeypatch.chdir(tmp_path)
        try:
            status = main_here(*[each.replace("=configs/", f"={ROOT}/configs/") for each in filled])
        except SystemExit as left:
            status = left.code
        output, said = capsys.readouterr()
        assert status == 2, said
        assert "Traceback" not in said
        message = said[said.index("error:") :].partition("\n\nusage:")[0]  # of an unknown command
        assert message.count("error:") == 1
        assert "usage:" not in message
        assert "error:" not in output
        assert not re.search(r"<class '|object at 0x|typing\.|NoneType|MisconfigurationException|NestedArg", message)
        assert (content_of(tmp_path), content_of(places["made"])) == before
        return message

    return run


@pytest.mark.parametrize(("group", "given", "says"), cases())
def test_wrong_input_gets_one_message_and_leaves_nothing(group, given, says, refused, tmp_path):
    if group == "configuration":
        (file := tmp_path / "configuration.yaml").write_text(given)
        command = ["fit", SMALL[0], f"--config={file}", NO_DASHBOARD, *START["fit"][-2:]]
    elif group in SWEEP_BEGINS:
        (file := tmp_path / "sweep.yaml").write_text(SWEEP_BEGINS[group] + given)
        command = ["sweep", str(file), "--dry-run"]
    else:
        command = [*START[group], *shlex.split(given)]
    message = refused(*command)
    for word in says if isinstance(says, list) else str(says).split():
        assert str(word) in message, message
    if group in ("fit", "scenes") and "ckpt_path" not in given:  # a checkpoint may not fit what a file says
        assert ".yaml, line" not in message, "the files are right, an option is not"
