"""Where the numbers come from, attempt by attempt."""

import re

from studies.report.provenance import study
from studies.runs.collect import collect


def test_facts_are_counted_and_commands_link_to_their_runs(tmp_path, make_run, page_of):
    attempt = {"commit": "abc", "devices": ["A", "B"], "versions": {"torch": "2.6"}, "url": "https://w.b/1"}
    make_run(seed=0, attempts=[{**attempt, "commit": "old"}, {**attempt, "command": ["main.py", "fit", "a b"]}])
    make_run(seed=1)
    section = study(collect(tmp_path), tmp_path)
    facts, details = section.blocks
    assert facts.texts() == [
        ["commit", "old (1 of 2 attempts); abc (1 of 2 attempts)"],
        ["host", "not recorded"],
        ["devices", "A, B"],
        ["torch", "2.6"],
    ]
    assert details.blocks[0].texts() == [
        ["resnet18-zero-seed0", "W&B", "2", "python main.py fit 'a b'"],
        ["resnet18-zero-seed1", "-", "0", "not recorded"],
    ]
    assert re.findall('href="([^"]+)"', page_of(section)) == [
        *("runs/resnet18-zero-seed0", "https://w.b/1", "runs/resnet18-zero-seed1"),
    ]
