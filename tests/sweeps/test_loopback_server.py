"""What would make the tests with W&B's programs blind, if the server of the tests did it.

That only preempted runs are handed out again, and that a run which its agent no longer reports has crashed, is seen in
test_agents.py.
"""

import json

import pytest

from tests.support.wandb_server import WandbServer
from tests.support.wandb_state import ENTITY, World


def history(offset: int, *steps: int) -> dict:
    lines = [json.dumps({"_step": step}) for step in steps]
    return {"files": {"wandb-history.jsonl": {"offset": offset, "content": lines}}}


def test_lines_sent_again_are_not_doubled_and_a_gap_is_noticed():
    run = World("http://127.0.0.1:0").project(ENTITY, "project").new_run("run")
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
