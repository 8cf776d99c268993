"""Sweep files: expansion as W&B's agent renders it, and one clear error for what cannot run here."""

import itertools
import os
from types import SimpleNamespace

import pytest

from cli.sweep.file import read_sweep
from records.errors import UserError

GRID = """
program: main.py
method: grid
parameters:
  model.padding: {values: [zero, partial]}
  seed_everything: {values: [0, 1, 2]}
  trainer.max_epochs: {value: 6}
"""

MANY_KINDS = """
program: main.py
method: grid
parameters:
  a.text: {values: ["two words", "x=y"]}
  b-flag: {values: [true, false]}
  c_list: {values: [[1, "two", 0.5], []]}
  d.number: {values: [0.1, 3, 1.0e-5]}
"""


@pytest.fixture
def read(tmp_path):
    def read(text):
        path = tmp_path / "sweep.yaml"
        path.write_text(text)
        return read_sweep(path)

    return read


def command(*elements):
    return "command:\n" + "".join(f'  - "{element}"\n' for element in elements)


def test_grid(read):
    """In the file's order, the last name fastest; up to `run_cap`; without `command:` by W&B's default."""
    points = read(GRID + command("${env}", "${interpreter}", "${program}", "fit", "${args}")).points("PYTHON")
    assert [tuple(point.values.values()) for point in points] == list(
        itertools.product(["zero", "partial"], [0, 1, 2], [6])
    )
    arguments = ("fit", "--model.padding=partial", "--seed_everything=1", "--trainer.max_epochs=6")
    assert points[4].command == ("/usr/bin/env", "PYTHON", "main.py", *arguments)
    assert points[4].arguments == arguments
    points = read(GRID + "run_cap: 4\n").points("PYTHON")
    assert len(points) == 4
    assert points[0].command[:4] == ("/usr/bin/env", "PYTHON", "main.py", "--model.padding=zero")


@pytest.mark.parametrize("macro", ["args", "args_no_hyphens", "args_no_equals", "args_no_boolean_flags"])
def test_commands_are_those_of_wandbs_agent(read, tmp_path, monkeypatch, macro):
    from wandb import wandb_agent

    elements = ["${env}", "A=${envvar:SWEEP_TEST}", "${interpreter}", "${program}", "fit", f"${{{macro}}}", "--end"]
    sweep = read(MANY_KINDS + command(*elements))
    monkeypatch.setattr(os, "environ", {"SWEEP_TEST": "value", "WANDB_DIR": str(tmp_path)})
    started = []
    monkeypatch.setattr(wandb_agent, "AgentProcess", lambda command, **_: started.append(command) or SimpleNamespace())
    agent = wandb_agent.Agent.__new__(wandb_agent.Agent)
    agent._function, agent._in_jupyter, agent._forward_signals, agent._run_processes = None, False, False, {}
    points = sweep.points("python")
    assert len(points) == 2 * 2 * 2 * 3
    for point in points:
        agent._sweep_command = list(sweep.command)
        args = {name: {"value": value} for name, value in point.values.items()}
        agent._command_run({"run_id": "r", "program": "main.py", "args": args})
    assert [list(point.command) for point in points] == started


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("method: [", r"sweep\.yaml, line \d: not valid YAML"),
        ("- a", "is a mapping with the keys"),
        (GRID.replace("grid", "random"), "method is random; this runner takes grid"),
        (GRID.replace("method: grid", ""), "method is missing"),
        (GRID.replace("program: main.py", ""), "program is missing"),
        (GRID + "comand: []", "unknown key comand; allowed: "),
        (GRID + "job: x", "job: a launch job"),
        (GRID + "method: grid", "line 8: not valid YAML: method is there twice"),
        (GRID + "  seed_everything: {value: 1}", "seed_everything is there twice"),
        ("program: main.py\nmethod: grid\n", "parameters is missing or empty"),
        (GRID + "  model: {parameters: {lr: {value: 1}}}", "model: nested parameters never reach the program"),
        (GRID + "  lr: {values: [null, 1]}", "parameters: lr: null is passed on as the text None"),
        (GRID + "  lr: {values: [1, 2, 1]}", "lr: 1 is there twice"),
        (GRID + "  lr: {values: []}", r"lr: values is \[\]"),
        (GRID + "  lr: {values: 3}", "lr: values is 3"),
        (GRID + "  lr: 3", "lr: give either value: X or values"),
        (GRID + "  lr: {value: 3, values: [3]}", "lr: give either value: X or values"),
        (GRID + "  lr: {values: [1, 2], probabilities: [0.5, 0.5]}", "lr: probabilities does not go with a grid"),
        (GRID + "  lr: {value: 1, distribution: normal}", "lr: distribution is normal"),
        (GRID + "  --lr: {value: 1}", "'--lr' is no parameter name"),
        (GRID + "run_cap: 0", "run_cap is 0"),
        (GRID + "command: python main.py", "command is not a list"),
        (GRID + command("${interpreter}", "main.py"), "must hold .*program.* once; it stands 0 times"),
        (GRID + command("${program}", "fit", "${arg}"), r"command has \$\{arg\}; a macro is a whole element, one of"),
        (GRID + "command:\n  - ${program}\n  - a: b", "each element is text"),
    ],
)
def test_what_cannot_run_here_is_refused_by_name(read, text, message):
    with pytest.raises(UserError, match=message) as caught:
        read(text)
    assert "sweep.yaml" in str(caught.value)


def test_an_unset_variable_is_not_replaced_by_its_name(read, monkeypatch):
    monkeypatch.delenv("SWEEP_TEST", raising=False)
    with pytest.raises(UserError, match="SWEEP_TEST is not set"):
        read(GRID + command("${program}", "fit", "--root=${envvar:SWEEP_TEST}")).points()


def test_keys_for_wandb_alone_are_accepted_and_what_is_ignored_is_said(read):
    assert read(GRID + "name: n\ndescription: d\nmetric: {name: val/acc1, goal: maximize}\n").notes == ()
    (note,) = read(GRID + "early_terminate: {type: hyperband, min_iter: 3}\n").notes
    assert note.startswith("early_terminate is ignored")


@pytest.mark.parametrize(
    ("name", "message"), [("none.yaml", r"none\.yaml cannot be read: .*No such file"), ("", "Is a")]
)
def test_missing_file_and_folder(tmp_path, name, message):
    with pytest.raises(UserError, match=message):
        read_sweep(tmp_path / name)
