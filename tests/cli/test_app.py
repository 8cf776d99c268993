"""Every command: its help starts without torch, and bad options get one line, status 2 and no file."""

import contextlib
import subprocess
import sys

import pytest

from cli.app import COMMANDS, TRAINING, main
from tests.support.program import ROOT
from training.checks.sources import GROUPS
from training.program import ParserOnly

PROGRAM = """
import gc
import sys
from cli.app import COMMANDS, TRAINING, main
main(["--help"])
assert not {"jsonargparse", "rich"} & set(sys.modules)
for command in COMMANDS.keys() - TRAINING:
    try:
        main([command, "--help"])
    except SystemExit as left:
        assert left.code == 0, command
    assert (found := {"torch", "matplotlib", "scipy", "wandb", "timm"} & set(sys.modules)) == set(), (command, found)
assert main(["fit", "--trainr.max_epochs=3"]) == 2
assert "torch" not in sys.modules
assert gc.isenabled()
"""


def test_help_is_light():
    done = subprocess.run([sys.executable, "-c", PROGRAM], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for command in COMMANDS.keys() - TRAINING:
        assert f"usage: main.py {command} " in done.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("accuracy runs more", "more"),
        ("accuracy runs --metrics val/acc1", "--metrics"),
        ("claims", "either a folder, or --wandb ENTITY/PROJECT"),
        ("claims runs --wandb lab/pads", "either a folder, or --wandb ENTITY/PROJECT"),
        ("report --wandb pads", "--wandb: 'pads' is no W&B project"),
        ("report --wandb ../pads", "--wandb: '../pads' is no W&B project"),
        ("report --wandb lab/pads --complete", "--complete needs the run folders"),
        ("report absent", "absent is no folder"),
        ("convergence runs --targets 45 high", "--targets: Expected a float. Got value: high"),
        ("cross-test runs --batch-size 0", "--batch-size: "),
        ("activations runs --count 0", "--count: "),
        ("segmentation runs --pictures=0", "--pictures: "),
        ("segmentation runs --tile-size=-1", "--tile-size: "),
        ("segmentation runs --model.evaluation.tile_size=64", "go with --test"),
        ("timing --rounds 1", "--rounds: Not of type AtLeastTwo: 1 "),
        ("timing --sizes 224x", "--sizes: '224x' is no image size; give pixels: 224, or height x width: 480x640"),
        ("timing --sizes 64 0", "--sizes: '0' is no image size"),
        ("timing --modes scripted", "--modes: Expected one of ['eager', 'compiled', 'graphs']. Got value: scripted"),
        ("inpaint-demo --share 1", "--share: "),
        ("inpaint-demo --share nan", "--share: "),
        ("inpaint-demo --seed=-1", "--seed: "),
        ("inpaint-demo --kernel 4", "--kernel: Expected one of [3, 5, 7]. Got value: 4"),
        ("sweep x.yaml --jobs 0", "--jobs: "),
        ("sweep x.yaml --output x", "--output goes with --plan"),
        ("sweep x.yaml --plan --dry-run", "give one of them"),
        ("dashboard pads", "'pads' is no W&B project"),
        ("dashboard lab/pads --only page", "--only: Expected one of ['workspace', 'report']"),
    ],
)
def test_bad_options(arguments, words, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(arguments.split()) == 2
    captured = capsys.readouterr()
    assert words in captured.err
    assert captured.err.startswith("error: ")
    assert captured.err.count("\n") == 1
    assert captured.out == ""
    assert list(tmp_path.iterdir()) == []


def test_groups_that_are_refused_before_torch_are_those_of_no_parser(monkeypatch):
    parsers = []
    monkeypatch.setattr(ParserOnly, "parse_arguments", lambda self, parser, args: parsers.append(self._parser(args[0])))
    for command in TRAINING:
        with contextlib.suppress(AttributeError):  # nothing was parsed
            ParserOnly([command])
    names = {name for parser in parsers for action in parser._actions for name in action.option_strings}
    assert {name.removeprefix("--").partition(".")[0] for name in names if name.startswith("--")} == {*GROUPS}


def test_unknown_command(capsys):
    assert main(["fitt"]) == 2
    assert "unknown command 'fitt'" in capsys.readouterr().err
    assert main([]) == 2
    shown = capsys.readouterr().out
    assert all(f"\n  {command} " in shown for command in COMMANDS)
