"""Sweep files: expansion as W&B's agent renders it. What cannot run here is in tests/cli/wrong_inputs.yaml."""

import itertools
import os
from types import SimpleNamespace

import pytest

from cli.sweep.file import read_sweep
from tests.support.program import ROOT

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
def read(tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)

    def read(text, *elements):
        path = tmp_path / "sweep.yaml"
        path.write_text(text + "command:\n" + "".join(f'  - "{element}"\n' for element in elements))
        return read_sweep(path, "python")

    return read


def test_grid(read):
    """In the file's order, the last name fastest; up to `run_cap`."""
    elements = ["${env}", "${interpreter}", "${program}", "fit", "${args}"]
    points = read(GRID, *elements).points
    assert [tuple(point.values.values()) for point in points] == list(
        itertools.product(["zero", "partial"], [0, 1, 2], [6])
    )
    arguments = ["fit", "--model.padding=partial", "--seed_everything=1", "--trainer.max_epochs=6"]
    assert points[4].command == ["/usr/bin/env", "python", "main.py", *arguments]
    assert points[4].arguments == arguments
    assert read(GRID + "run_cap: 4\n", *elements).points == points[:4]


@pytest.mark.parametrize("macro", ["args", "args_no_hyphens", "args_no_equals", "args_no_boolean_flags"])
def test_commands_are_those_of_wandbs_agent(read, tmp_path, monkeypatch, macro):
    from wandb import wandb_agent

    elements = ["${env}", "A=${envvar:SWEEP_TEST}", "${interpreter}", "${program}", "fit", f"${{{macro}}}", "--end"]
    monkeypatch.setattr(os, "environ", {"SWEEP_TEST": "value", "WANDB_DIR": str(tmp_path)})
    points = read(MANY_KINDS, *elements).points
    started = []
    monkeypatch.setattr(wandb_agent, "AgentProcess", lambda command, **_: started.append(command) or SimpleNamespace())
    agent = wandb_agent.Agent.__new__(wandb_agent.Agent)
    agent._function, agent._in_jupyter, agent._forward_signals, agent._run_processes = None, False, False, {}
    assert len(points) == 2 * 2 * 2 * 3
    for point in points:
        agent._sweep_command = list(elements)
        args = {name: {"value": value} for name, value in point.values.items()}
        agent._command_run({"run_id": "r", "program": "main.py", "args": args})
    assert [point.command for point in points] == started


def test_keys_for_wandb_alone_are_accepted_and_what_is_ignored_is_said(read):
    for_wandb = "name: n\ndescription: d\nmetric: {name: val/acc1, goal: maximize}\n"
    assert read(GRID + for_wandb, "${program}", "fit").notes == []
    (note,) = read(GRID + "early_terminate: {type: hyperband, min_iter: 3}\n", "${program}", "fit").notes
    assert note.startswith("early_terminate is ignored")
