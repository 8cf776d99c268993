"""Processes of one run: the first one that fails ends the others, with its message and its status."""

import os
import shutil
import signal
import subprocess
import sys
import threading

import pytest
import torch
from lightning_fabric.plugins.environments import LightningEnvironment

from processes import launcher, signals
from processes.launcher import Launcher
from records.errors import UserError
from tests.support.program import NO_DASHBOARD, ROOT, fit, main

GLOO = RuntimeError("[../gloo/transport/tcp/pair.cc:538] Connection closed by peer [127.0.0.1]:23456")


@pytest.fixture
def made(monkeypatch):
    """A launcher of two processes, in a process that ends by SystemExit."""
    monkeypatch.setattr(launcher, "PATIENCE", 0.3)
    monkeypatch.setattr(launcher, "GRACE", 0.6)
    monkeypatch.setattr(os, "_exit", sys.exit)
    monkeypatch.setenv("MASTER_PORT", "23456")
    made = Launcher(LightningEnvironment(), 2, 1)
    made._call_children_scripts = lambda: None
    made._status, made._handled, made._over = 0, threading.Event(), threading.Event()
    return made


@pytest.mark.parametrize(
    ("script", "status", "line"),
    [
        ("exit 2", 2, ""),  # which printed why
        ("kill -9 $$", 137, "error: process 1 was killed by SIGKILL (out of memory?)\n"),
        ("exit 143", 143, ""),
    ],
)
def test_a_process_that_fails_ends_the_first(script, status, line, made, monkeypatch, capfd):
    passed_on = []
    monkeypatch.setattr(os, "kill", lambda process, number: passed_on.append((process, number)))
    made.procs = [subprocess.Popen(["sh", "-c", script])]
    with pytest.raises(SystemExit) as left:
        made._observe()
    assert left.value.code == status
    assert capfd.readouterr().err == line
    assert passed_on == ([(os.getpid(), signal.SIGTERM)] if status == 143 else [])


def test_processes_that_end_well_end_nothing(made):
    made.procs = [subprocess.Popen(["true"])]
    made._observe()


def test_an_error_that_follows_from_another_process_is_silent(made):
    """One of the program's own is not, nor one of the network."""

    def fail(error):
        raise error

    for error in (GLOO, UserError("wrong")):
        with pytest.raises(type(error)):
            made.launch(fail, error)
    threading.Timer(0.1, setattr, [made, "_status", 2]).start()
    with pytest.raises(SystemExit) as left:
        made.launch(fail, GLOO)
    assert left.value.code == 2


def test_waiting_for_others_ends(made, monkeypatch, capfd):
    monkeypatch.setenv(launcher.LIMIT, "0.1")
    made.num_nodes = 2
    with pytest.raises(SystemExit) as left:
        made._limit_waiting()
    assert left.value.code == 1
    first, last = capfd.readouterr().err.splitlines()
    assert first.startswith("machine 0 of 2 waits for 4 processes at 127.0.0.1:23456, at most 0.1 s (PADDING_REND")
    assert last == "error: waited 0.1 s (PADDING_RENDEZVOUS) for 4 processes at 127.0.0.1:23456; not all came"
    made._over.set()
    made._limit_waiting()


def test_a_port_that_is_taken_is_one_line(made):
    def meet():
        raise torch.distributed.DistNetworkError("port 23456 is taken\nframe #0 ...")

    with pytest.raises(UserError, match=r"2 processes at 127.0.0.1:23456 cannot meet: port 23456 is taken$"):
        made.launch(meet)


TWO = [NO_DASHBOARD, "--trainer.devices=2", "--trainer.strategy=ddp"]


@pytest.mark.slow
def test_one_of_two_meets_a_damaged_image(tmp_path, sample_tree):
    tree = shutil.copytree(sample_tree, tmp_path / "tree")
    image = sorted((tree / "train").rglob("*.*"))[50]
    image.write_bytes(image.read_bytes()[:150])
    done = main(*fit(tmp_path / "runs", tree, *TWO), check=False)
    assert done.returncode == 2, done.stdout
    assert done.stdout.count("error: ") == 1
    assert f"{image.name}: cannot be decoded" in done.stdout
    assert "Traceback" not in done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("number", [*signals.SIGNALS, signal.SIGKILL])
def test_a_signal_while_the_second_process_imports(number, tmp_path, sample_tree):
    """To the first one alone for SIGKILL. The output ends when no process is left to write."""
    command = [sys.executable, "-u", "main.py", *fit(tmp_path, sample_tree, *TWO)]
    process = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    )
    for line in process.stdout:
        if "GLOBAL_RANK: 0" in line:
            break
    (process.send_signal if number == signal.SIGKILL else lambda each: os.killpg(process.pid, each))(number)
    output, _ = process.communicate(timeout=300)
    assert process.returncode == (-9 if number == signal.SIGKILL else 128 + number), output
    assert "Traceback" not in output


@pytest.mark.parametrize("text", ["abc", "0", "-1", "nan"])
def test_a_limit_that_is_no_time_is_refused(monkeypatch, text):
    monkeypatch.setenv("PADDING_RENDEZVOUS", text)
    with pytest.raises(UserError, match=f"PADDING_RENDEZVOUS is '{text}'; it must be a number of seconds above 0"):
        launcher.waiting_limit()


def test_a_message_for_users_is_none_of_communication():
    assert not launcher.is_of_communication(UserError("/data/Connections/1.png is damaged"))
    assert launcher.is_of_communication(RuntimeError("Connection closed by peer"))
