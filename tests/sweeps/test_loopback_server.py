"""What would make the tests with W&B's programs blind, if the server of the tests did it."""

import json

import pytest

from tests.support.wandb_server import WandbServer
from tests.support.wandb_state import ENTITY, Agent, Run, World

SWEEP = "program: main.py\nmethod: grid\nparameters: {b: {values: [2, 1]}, a: {value: 0}}"


@pytest.fixture
def world():
    return World("http://127.0.0.1:0")


@pytest.fixture
def agent(world):
    sweep = world.new_sweep(world.project(ENTITY, "project"), SWEEP)
    return world.new_agent(sweep, "host")


def command_for(agent: Agent, running: set[str] = frozenset()) -> tuple:
    """(type, run, point) of the agent's next command, () for none."""
    commands = agent.sweep.next_commands(agent, running)
    arguments = [{name: entry["value"] for name, entry in command.get("args", {}).items()} for command in commands]
    return tuple(x for command in commands for x in (command["type"], command.get("run_id"), arguments[0]))


def started(agent: Agent) -> Run:
    run = agent.sweep.project.runs[command_for(agent)[1]]
    run.begin()
    return run


def history(offset: int, *steps: int) -> dict:
    lines = [json.dumps({"_step": step}) for step in steps]
    return {"files": {"wandb-history.jsonl": {"offset": offset, "content": lines}}}


def test_only_a_run_that_said_it_is_preempted_comes_back_and_before_new_points(agent):
    run = started(agent)
    assert run.config == {"a": 0, "b": 2}
    assert command_for(agent, {run.name}) == ()
    run.receive({"preempting": True})
    run.receive({"complete": True, "exitcode": 143})
    assert command_for(agent) == ("resume", run.name, {"a": 0, "b": 2})
    run.begin()
    run.receive({"complete": True, "exitcode": 143})
    assert run.state == "failed"
    kind, other, point = command_for(agent)
    assert (kind, point) == ("run", {"a": 0, "b": 1})
    assert other != run.name
    agent.run.begin()
    assert command_for(agent)[0] == "exit"
    assert agent.sweep.project.runs[other].state == "crashed", "its agent no longer reports it"


def test_a_preempted_run_that_ends_well_is_finished(agent):
    run = started(agent)
    run.receive({"preempting": True, "complete": True, "exitcode": 0})
    assert run.state == "finished"
    assert command_for(agent)[2]["b"] == 1


def test_lines_sent_again_are_not_doubled_and_a_gap_is_noticed(agent):
    run = started(agent)
    run.receive(history(0, 0, 1))
    run.receive(history(1, 1, 2))
    assert [line["_step"] for line in run.history()] == [0, 1, 2]
    run.receive(history(4, 4))
    with pytest.raises(AssertionError, match="gap"):
        run.history()


def test_what_it_does_not_know_is_an_error_and_is_kept():
    with WandbServer() as server:
        answer = server.graphql({"query": "query Unheard($a: Int) { b }", "variables": {}})
    assert answer["data"] is None
    assert "Unheard" in answer["errors"][0]["message"]
    assert server.unknown == ["operation Unheard"]
