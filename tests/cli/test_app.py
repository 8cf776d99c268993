"""Every command: its help starts without torch, and bad options get one line, status 2 and no file."""

import contextlib
import subprocess
import sys

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
