"""A wish to stop: a checkpoint, an orderly end, an exit status that schedulers requeue, and nothing lost."""

import contextlib
import functools
import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lightning_modules import ClassificationModule
from processes import signals
from tests.support.program import NO_DASHBOARD, ROOT, fit, main_here, only_run, refusal, start_of
from tests.support.same_end import assert_same_end


def status_here(*arguments):
    """Exit status of the program run in this process, which a signal may end; the next one starts afresh."""
    before = {number: signal.getsignal(number) for number in signals.SIGNALS}
    try:
        return main_here(*arguments)
    except SystemExit as left:
        return left.code
    finally:
        signals._left, signals._end = 0, (math.inf, 0)
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def signalled(monkeypatch, step, count, number=signal.SIGTERM):
    """Sends this process a signal in the `count`-th call of the module's `step` meanwhile; yields the calls."""
    calls, original = [], getattr(ClassificationModule, step)

    @functools.wraps(original)
    def call(*arguments, **options):
        calls.append(arguments)
        if len(calls) == count:
            os.kill(os.getpid(), number)
        return original(*arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(ClassificationModule, step, call)
        yield calls


@pytest.mark.parametrize(
    ("step", "count", "resumed", "line"),
    [
        # Noted in an epoch's last step, and its validation is not begun.
        ("training_step", 8, 8, "stopped by SIGTERM in epoch 1, after step 8, unf"),
        # In the second validation, of 4 batches as the first.
        ("validation_step", 6, 16, "in the validation after step 16,"),
    ],
)
def test_a_validation_ends_at_once_and_no_step_is_lost(
    step, count, resumed, line, tmp_path, sample_tree, monkeypatch, caplog
):
    assert status_here(*fit(tmp_path / "whole", sample_tree, NO_DASHBOARD)) == 0
    command = fit(tmp_path / "stopped", sample_tree, NO_DASHBOARD)
    with signalled(monkeypatch, step, count) as calls:
        assert status_here(*command) == 143
    assert len(calls) == count
    assert line in caplog.text
    caplog.clear()
    assert status_here(*command) == 0
    assert start_of(caplog.text)[1] == resumed
    assert_same_end(only_run(tmp_path / "whole"), only_run(tmp_path / "stopped"))


@pytest.mark.parametrize("number", signals.SIGNALS)
@pytest.mark.parametrize("command", ["validate", "test", "predict"])
def test_evaluation_ends_at_once(command, number, tmp_path, trained_pair, sample_tree, monkeypatch, capfd):
    run = trained_pair / "zero"
    options = ["--config", str(run / "config.yaml"), "--ckpt_path", str(run / "checkpoints/best.ckpt")]
    options += [f"--data.predict_folder={sample_tree}/val", f"--prediction.output={tmp_path}/out.csv"]
    kept = sorted(run.rglob("*"))
    with signalled(monkeypatch, {"validate": "validation_step"}.get(command, f"{command}_step"), 2, number) as calls:
        assert status_here(command, *options) == 128 + number
    assert len(calls) == 2
    assert capfd.readouterr().err.endswith(f"stopped by {number.name}\n")
    assert sorted(run.rglob("*")) == kept
    assert not list(tmp_path.glob("*out*"))


def test_a_sanity_check_ends_at_once(tmp_path, sample_tree, monkeypatch):
    with signalled(monkeypatch, "validation_step", 1) as calls:
        assert status_here(*fit(tmp_path, sample_tree, NO_DASHBOARD, "--trainer.num_sanity_val_steps=2")) == 143
    assert len(calls) == 1
    assert not list(only_run(tmp_path).checkpoints.iterdir())


def started(root, tree, until, *options):
    """Starts a long run and waits until its output holds `until`."""
    arguments = fit(root, tree, "--trainer.max_epochs=60", NO_DASHBOARD, *options)
    command = [sys.executable, "-u", "main.py", *arguments]
    process = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    )
    lines = []
    for line in process.stdout:
        lines.append(line)
        if until in line:
            return process
    raise AssertionError(f"ended before '{until}':\n{''.join(lines)}")


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_process_and_its_workers_signalled_together(tmp_path, sample_tree, number, status, capsys):
    """That the run goes on from there is tests/sweeps/test_agents.py's matter; meanwhile no other may train there."""
    process = started(tmp_path, sample_tree, "epoch 1 of 60", "--data.num_workers=2")
    second = refusal(capsys, *fit(tmp_path, sample_tree, "--trainer.max_epochs=60", NO_DASHBOARD))
    assert second.startswith("error: another process is training in")
    os.killpg(process.pid, number)
    output, _ = process.communicate(timeout=300)
    assert process.returncode == status, output
    assert f"stopped by {number.name}" in output
    newest = sorted(only_run(tmp_path).checkpoints.glob("resume-*.ckpt"))[-1]
    step = int(newest.stem.rpartition("-")[2])
    assert f"after step {step}, unf" in output or f"in the validation after step {step}," in output


@pytest.mark.parametrize("number", signals.SIGNALS)
def test_a_start_ends_at_once(number, tmp_path):
    """While it imports: torch's libraries are being loaded."""
    command = [sys.executable, "-u", "main.py", *fit(tmp_path / "runs", tmp_path)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    while "libtorch" not in Path(f"/proc/{process.pid}/maps").read_text():
        assert process.poll() is None
    process.send_signal(number)
    output, _ = process.communicate(timeout=300)
    assert (process.returncode, output) == (128 + number, "")


def test_two_processes_signalled_together(tmp_path, sample_tree):
    process = started(tmp_path, sample_tree, "epoch 1 of 60", "--trainer.devices=2", "--trainer.strategy=ddp")
    os.killpg(process.pid, signal.SIGTERM)
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 143, output
    assert "stopped by SIGTERM" in output
    assert only_run(tmp_path).read_rows()
    deadline = time.monotonic() + 60
    while is_alive(process.pid):
        assert time.monotonic() < deadline, "a process outlived the run"
        time.sleep(0.2)


def is_alive(group):
    """Whether a process group has a process left."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True
