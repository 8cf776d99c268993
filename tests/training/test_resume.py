"""A run killed at any step and resumed ends as if nothing had happened, bit for bit (CPU, deterministic)."""

import json
import re
import subprocess
import sys
from pathlib import Path

import torch

from tests.support.program import (
    fit,
    killed,
    main,
    newest_checkpoint,
    only_run,
    rows_without_time,
    start_of,
)
from training.resume import newest_good

# A network with dropout, so that a wrong random state would show; checkpoints every 3 of 8 steps an epoch.
NETWORK = ["--model.network_args={drop_rate: 0.3}", "--model.padding=partial", "--run.checkpoint_every_n_steps=3"]


def assert_equal(a, b, path=""):
    """Every tensor and number in two nested structures is the same, bit for bit."""
    assert type(a) is type(b), path
    if isinstance(a, dict):
        assert a.keys() == b.keys(), path
        for key in a:
            assert_equal(a[key], b[key], f"{path}/{key}")
    elif isinstance(a, list | tuple):
        assert len(a) == len(b), path
        for index, (x, y) in enumerate(zip(a, b, strict=True)):
            assert_equal(x, y, f"{path}/{index}")
    elif isinstance(a, torch.Tensor):
        assert a.dtype == b.dtype, path
        assert torch.equal(a, b), path
    else:
        assert a == b, path


def comparable(checkpoint):
    """A checkpoint without the run's own paths and clock times."""
    callbacks = {
        key: {k: v for k, v in state.items() if k != "seconds" and not k.endswith("path") and k not in NOT_COMPARED}
        for key, state in checkpoint["callbacks"].items()
    }
    rows = [{k: v for k, v in row.items() if k != "seconds"} for row in callbacks["RunRecorder"].pop("rows")]
    return {
        **checkpoint,
        "callbacks": {re.sub(r"'/.*?'", "", key): state for key, state in callbacks.items()},
        "rows": rows,
    }


NOT_COMPARED = ("dirpath", "best_k_models", "current_score")
"""The run's own paths; and the score of the last save, which Lightning does not restore and nothing reads."""


def assert_same_end(one, other):
    assert rows_without_time(one) == rows_without_time(other)
    assert_equal(comparable(newest_checkpoint(one)), comparable(newest_checkpoint(other)))
    names = sorted(path.name for path in one.checkpoints.glob("[!r]*.ckpt"))
    assert names == sorted(path.name for path in other.checkpoints.glob("[!r]*.ckpt"))
    for name in names:
        one_weights, other_weights = (torch.load(run.checkpoints / name, weights_only=True) for run in (one, other))
        assert_equal(one_weights["state_dict"], other_weights["state_dict"], name)


def epochs_in_dashboard(folder):
    """Epochs on the W&B run's epoch axis, over the offline files of all attempts."""
    epochs = []
    for attempt in sorted(folder.path.glob("wandb/offline-run-*")):
        command = [str(Path(sys.executable).with_name("wandb")), "leet", "inspect", "--json", str(attempt)]
        for line in subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines():
            item = json.loads(line).get("history", {}).get("item", {})
            if "epoch" in item:
                epochs.append((item["epoch"], item["val/acc1"]))
    return epochs


def test_one_process_killed_three_times(tmp_path, sample_tree):
    """Killed in mid-epoch, again under other workers, and in the middle of writing; then it ends the same."""
    main(*fit(tmp_path / "whole", sample_tree, *NETWORK))

    command = fit(tmp_path / "killed", sample_tree, *NETWORK)
    killed("step", 5, *command)
    killed("step", 8, *command, "--data.num_workers=2")
    folder = only_run(tmp_path / "killed")
    assert newest_good(folder.checkpoints, set_aside=False)[0].name == "resume-0000000009.ckpt"
    killed("replace", 5, *command)  # four files at the start, then the checkpoint of step 12
    assert list(folder.checkpoints.glob(".*.tmp")), "the kill was meant to cut off a checkpoint"
    last = main(*command)

    assert start_of(last.stdout) == ("resume-0000000009.ckpt", 9), last.stdout
    assert [attempt["resumed_from"] for attempt in folder.read_record().attempts][:3] == [
        None,
        "resume-0000000003.ckpt",
        "resume-0000000009.ckpt",
    ]
    assert_same_end(only_run(tmp_path / "whole"), folder)
    assert epochs_in_dashboard(folder) == epochs_in_dashboard(only_run(tmp_path / "whole"))
    assert [epoch for epoch, _ in epochs_in_dashboard(folder)] == [0, 1, 2]
    assert not list(folder.checkpoints.glob(".*.tmp"))

    again = main(*command)
    assert "already finished" in again.stdout


def test_an_epoch_that_the_dashboard_has_is_not_shown_again(tmp_path, sample_tree):
    """Stopped in an orderly way, W&B keeps what it was given: only the missing epochs are to be added."""
    command = fit(tmp_path, sample_tree)
    killed("term", 12, *command)
    folder = only_run(tmp_path)
    assert [epoch for epoch, _ in epochs_in_dashboard(folder)] == [0]
    assert start_of(main(*command).stdout)[1] == 12
    assert [epoch for epoch, _ in epochs_in_dashboard(folder)] == [0, 1, 2]


def test_two_processes_killed(tmp_path, sample_tree):
    two = [*NETWORK, "--trainer.devices=2", "--trainer.strategy=ddp"]
    main(*fit(tmp_path / "whole", sample_tree, *two))
    command = fit(tmp_path / "killed", sample_tree, *two)
    killed("step", 12, *command, "--data.num_workers=2")
    last = main(*command)
    assert start_of(last.stdout) == ("resume-0000000009.ckpt", 9), last.stdout
    assert_same_end(only_run(tmp_path / "whole"), only_run(tmp_path / "killed"))
