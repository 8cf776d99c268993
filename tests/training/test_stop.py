"""A wish to stop: a checkpoint, an orderly end, an exit status that schedulers requeue, and nothing lost."""

import os
import signal
import subprocess
import sys
import time

import pytest

from tests.support.program import NO_DASHBOARD, ROOT, fit, only_run, refusal


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
def test_one_process_saves_and_says_so(tmp_path, sample_tree, number, status, capsys):
    """That the run goes on from there is tests/sweeps/test_agents.py's matter; meanwhile no other may train there."""
    process = started(tmp_path, sample_tree, "epoch 1 of 60")
    second = refusal(capsys, *fit(tmp_path, sample_tree, "--trainer.max_epochs=60", NO_DASHBOARD))
    assert second.startswith("error: another process is training in")
    process.send_signal(number)
    output, _ = process.communicate(timeout=120)
    assert process.returncode == status, output
    assert f"stopped by {number.name}" in output
    newest = sorted(only_run(tmp_path).checkpoints.glob("resume-*.ckpt"))[-1]
    assert f"after step {int(newest.stem.rpartition('-')[2])};" in output


def test_a_signal_before_training_is_kept_for_the_first_step(tmp_path, sample_tree):
    """An agent's child that is preempted while it reads its data must not look like a crash."""
    process = started(tmp_path, sample_tree, "starting from the beginning")
    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 143, output
    assert list(only_run(tmp_path).checkpoints.glob("resume-*.ckpt"))


def test_two_processes_signalled_together(tmp_path, sample_tree):
    process = started(tmp_path, sample_tree, "epoch 1 of 60", "--trainer.devices=2", "--trainer.strategy=ddp")
    os.killpg(process.pid, signal.SIGTERM)
    output, _ = process.communicate(timeout=120)
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
