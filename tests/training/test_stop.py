"""A wish to stop: a checkpoint, an orderly end, an exit status that schedulers requeue, and nothing lost."""

import signal
import subprocess
import sys
import time

import pytest

from tests.support.program import ROOT, fit, main, only_run, rows_without_time, start_of


def started(arguments, until):
    """Starts main.py and waits until its output holds `until`."""
    command = [sys.executable, "-u", "main.py", *arguments]
    process = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    )
    lines = []
    for line in process.stdout:
        lines.append(line)
        if until in line:
            return process, lines
    raise AssertionError(f"ended before '{until}':\n{''.join(lines)}")


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_one_process_saves_and_continues(tmp_path, sample_tree, number, status):
    arguments = fit(tmp_path, sample_tree, "--trainer.max_epochs=60")
    process, _ = started(arguments, "epoch 1 of 60")
    process.send_signal(number)
    output, _ = process.communicate(timeout=120)
    assert process.returncode == status, output
    assert f"stopped by {number.name}" in output
    saved = only_run(tmp_path)
    stopped_at = int(sorted(saved.checkpoints.glob("resume-*.ckpt"))[-1].stem.rpartition("-")[2])
    assert f"after step {stopped_at};" in output
    if number == signal.SIGINT:
        return  # one resumption is enough

    process, lines = started(arguments, "resuming from")
    process.kill()
    assert start_of("".join(lines))[1] == stopped_at
    process.wait()


def test_a_signal_before_training_is_kept_for_the_first_step(tmp_path, sample_tree):
    """An agent's child that is preempted while it reads its data must not look like a crash."""
    process, _ = started(fit(tmp_path, sample_tree, "--trainer.max_epochs=60"), "starting from the beginning")
    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 143, output
    assert list(only_run(tmp_path).checkpoints.glob("resume-*.ckpt"))


def test_two_processes_signalled_together(tmp_path, sample_tree):
    arguments = fit(tmp_path, sample_tree, "--trainer.max_epochs=60", "--trainer.devices=2", "--trainer.strategy=ddp")
    process, _ = started(arguments, "epoch 1 of 60")
    subprocess.run(["pkill", "-TERM", "-g", str(process.pid)], check=True)
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 143, output
    assert "stopped by SIGTERM" in output
    assert len(rows_without_time(only_run(tmp_path))) >= 1
    # No process of the group is left behind.
    deadline = time.monotonic() + 60
    while subprocess.run(["pgrep", "-g", str(process.pid)], capture_output=True, check=False).returncode == 0:
        assert time.monotonic() < deadline, "a process outlived the run"
        time.sleep(0.2)


def test_a_second_program_in_the_same_folder_is_refused(tmp_path, sample_tree):
    arguments = fit(tmp_path, sample_tree, "--trainer.max_epochs=60")
    process, _ = started(arguments, "epoch 1 of 60")
    second = main(*arguments, check=False)
    process.kill()
    process.wait()
    assert second.returncode == 2
    assert second.stdout.strip().splitlines()[-1].startswith("error: another process is training in")
