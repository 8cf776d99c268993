"""Running a sweep: real processes of a tiny program; finished skipped, failures survived, nothing left behind."""

import fcntl
import importlib
import io
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import pytest
from rich.console import Console

import cli.sweep.command
from cli.sweep import runner
from cli.sweep.display import SweepDisplay
from cli.sweep.points import PointRun, State
from records import RunFolder, RunRecord
from records.errors import UserError

ROOT = Path(__file__).parents[3]

# Takes the part of main.py: --do says how the run goes, --name is its folder.
PROGRAM = """
import json, os, signal, subprocess, sys, time
options = dict(argument[2:].split("=", 1) for argument in sys.argv[2:])
folder, do = "runs/" + options["name"], options["do"]
print("attempt of", options["name"], "threads", os.environ["OMP_NUM_THREADS"], flush=True)

def write(finished):
    fields = dict(id="i", name=options["name"], group="g", network="n", padding="zero", seed=0)
    with open(folder + "/run.json", "w") as file:
        json.dump({**fields, "max_epochs": 2, "monitor": "val/acc1", "finished": finished}, file)

write(False)
with open(folder + "/epochs.csv", "w") as file:
    file.write("epoch,step,val/acc1\\n0,1,50.0\\n")
if do == "fail":
    print("error: the disk is full\\nand a last line")
    sys.exit(3)
if do == "silent":
    sys.exit(0)
if do in ("sleep", "stubborn"):
    def save(*_):
        time.sleep(0.5)
        sys.exit("saved" if helper.poll() is None else "left alone")

    signal.signal(signal.SIGTERM, signal.SIG_IGN if do == "stubborn" else save)
    helper = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    with open("pids", "a") as file:
        file.write(f"{os.getpid()} {helper.pid}\\n")
    while not os.path.exists("go"):
        time.sleep(0.1)
    helper.kill()
write(True)
"""

SWEEP = """
program: main.py
method: grid
parameters:
  name: {values: [NAMES]}
  do: {value: DO}
command: ["${interpreter}", "${program}", fit, "${args}"]
"""

DRIVER = f"""
import sys
from types import SimpleNamespace
sys.path.insert(0, {str(ROOT)!r})
import cli.sweep.command
from tests.cli.sweep.test_runner import resolve
sys.modules["cli.sweep.resolver"] = SimpleNamespace(Resolver=lambda: resolve)
sys.exit(cli.sweep.command.main(sys.argv[1:]))
"""


def resolve(arguments):
    options = dict(argument[2:].split("=", 1) for argument in arguments[1:])
    if options["name"] == "typo":
        raise UserError("--name: typo is not known")
    name = options["name"].split("+")[0]
    return RunFolder(Path("runs") / name), RunRecord(name, name, "g", "n", "zero", 0, 2, "val/acc1")


resolve.check = lambda arguments: None


@pytest.fixture
def sweep(tmp_path, monkeypatch):
    """In a working folder with the program in it: writes a sweep file and runs it; returns the exit status."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "cli.sweep.resolver", SimpleNamespace(Resolver=lambda: resolve))
    # The real one imports torch to look for a GPU.
    monkeypatch.setattr(cli.sweep.command, "default_jobs", lambda: 2)
    for name in (*cli.sweep.command.WANDB_IDENTITY, "OMP_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "main.py").write_text(PROGRAM)

    def sweep(names, do="finish", *options):
        text = SWEEP.replace("NAMES", ", ".join(names)).replace("DO", do)
        (tmp_path / "sweep.yaml").write_text(text)
        return cli.sweep.command.main(["sweep.yaml", *options])

    return sweep


def log(name):
    return Path("runs", name, "log.txt").read_text()


def test_runs_each_point_then_skips_what_is_finished(sweep, capsys):
    assert sweep("abc", "finish", "--jobs", "2", "--threads", "3") == 0
    shown = capsys.readouterr().out
    assert "3 runs, 2 at a time" in shown
    assert shown.count("started") == 3
    assert "Next: python main.py report runs\n" in shown
    assert log("a") == "attempt of a threads 3\n"
    assert sweep("abc") == 0
    shown = capsys.readouterr().out
    assert shown.count("already finished") == 3
    assert "started" not in shown
    assert log("a").count("attempt") == 1


def test_goes_on_after_a_failure_and_tries_it_again(sweep, capsys):
    assert sweep("ab", "fail", "--jobs", "1") == 1
    shown = capsys.readouterr().out
    assert "2 of 2 runs failed" in shown
    assert "a: error: the disk is full" in shown
    assert f"log: {Path('runs', 'b', 'log.txt')}" in shown
    assert "tries the failed runs again" in shown
    assert sweep("ab") == 0
    assert log("a").count("attempt") == 2


def test_a_run_that_did_not_finish_failed_whatever_its_exit_status(sweep, capsys):
    assert sweep("a", "silent") == 1
    assert "a: ended before its last epoch" in capsys.readouterr().out


def test_all_points_are_checked_before_the_first_starts(sweep):
    with pytest.raises(UserError, match=r"sweep\.yaml: point name=typo do=finish: --name: typo is not known"):
        sweep(["a", "typo"])
    with pytest.raises(UserError, match=r"the points name=a do=finish and name=a\+1 do=finish are one run"):
        sweep(["a", "a+1"])
    Path("runs/b").mkdir(parents=True)
    Path("runs/b/run.json").write_text("{")
    with pytest.raises(UserError, match=r"point name=b .*run\.json is damaged"):
        sweep("ab")
    assert not Path("runs/a").exists()


def test_an_inherited_run_is_refused(sweep, monkeypatch):
    monkeypatch.setenv("WANDB_RUN_ID", "x")
    with pytest.raises(UserError, match="unset WANDB_RUN_ID"):
        sweep("a")


def test_dry_run_starts_nothing(sweep, capsys):
    assert sweep("a", "finish", "--dry-run") == 0
    assert "main.py fit --name=a --do=finish" in capsys.readouterr().out
    assert not Path("runs").exists()


@pytest.mark.parametrize(
    ("do", "signals", "status"),
    [("sleep", [signal.SIGINT], 130), ("stubborn", [signal.SIGTERM, signal.SIGTERM], 143)],
    ids=["Ctrl-C", "SIGTERM twice"],
)
def test_a_signal_leaves_no_process_behind(sweep, do, signals, status):
    sweep("abc", do, "--dry-run")
    process = start()
    pids = wait_for_pids(Path("pids"), 2)
    for number in signals:
        process.send_signal(number)
        time.sleep(0.5)
    shown, _ = process.communicate(timeout=20)
    assert process.returncode == status
    assert [pid for pid in pids if is_alive(pid)] == []
    assert shown.count("interrupted a") == shown.count("interrupted b") == 1
    assert "not started" in shown
    assert "started again continues" in shown
    assert ("saved" in log("a")) == (do == "sleep")
    # What was interrupted is continued.
    assert sweep("abc") == 0


@pytest.mark.parametrize("ends", ["by itself", "by the second sweep"])
def test_what_a_killed_sweep_left_running_is_waited_for_in_the_place_of_a_job(sweep, ends):
    sweep("abc", "sleep", "--dry-run")
    first = start()
    pids = wait_for_pids(Path("pids"), 2)
    first.kill()
    first.communicate()
    second = start()
    shown = [second.stdout.readline() for _ in range(3)]
    assert sum("waiting for what trains already" in line for line in shown) == 2, shown
    if ends == "by itself":
        Path("go").touch()
        shown, _ = second.communicate(timeout=60)
        assert (second.returncode, [shown.count(f"finished {name}\n") for name in "abc"]) == (0, [1, 1, 1])
        assert [log(name).count("attempt") for name in "abc"] == [1, 1, 1]
    else:
        second.send_signal(signal.SIGTERM)
        shown, _ = second.communicate(timeout=60)
        assert (second.returncode, [shown.count(f"interrupted {name}\n") for name in "abc"]) == (143, [1, 1, 0])
        assert not Path("runs/c").exists()
        assert "saved" in log("a"), "its helpers are not asked to end before it"
    assert [pid for pid in pids if is_alive(pid)] == []


def start():
    """The sweep with two jobs, in a session of its own, as a shell's job is: a signal reaches it alone."""
    return subprocess.Popen(
        [sys.executable, "-c", DRIVER, "sweep.yaml", "--jobs", "2"],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # What a script starts in the background ignores SIGINT, and so would its children.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def wait_for_pids(file, lines):
    for _ in range(200):
        if file.exists() and len(found := file.read_text().splitlines()) == lines:
            return [int(pid) for line in found for pid in line.split()]
        time.sleep(0.1)
    raise AssertionError("the runs did not start")


def is_alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # A killed grandchild may wait for init as a zombie; on Linux that can be told apart.
    stat = Path(f"/proc/{pid}/stat")
    return not stat.exists() or stat.read_text().rsplit(")", 1)[1].split()[0] != "Z"


FIVE = {"OMP_NUM_THREADS": "5"}


@pytest.mark.parametrize(
    ("environment", "jobs", "threads", "expected"),
    [({}, 3, None, "2"), ({}, 16, None, "1"), (FIVE, 2, None, "5"), (FIVE, 2, 7, "7")],
)
def test_threads_are_shared_out_unless_the_user_said_how_many(monkeypatch, environment, jobs, threads, expected):
    monkeypatch.setattr(cli.sweep.command, "cores", lambda: 8)
    assert cli.sweep.command.child_environment(environment, jobs, threads)["OMP_NUM_THREADS"] == expected


@pytest.mark.parametrize(
    ("program", "problem"),
    [
        ("print('fine')", ""),
        ("print('\\033[31mError: no images\\033[0m\\nusage: ...\\nwandb: bye'); exit(2)", "Error: no images"),
        ("import os; os.write(1, b'here\\xff\\n\\n\\033[1mwandb\\033[0m: bye'); exit(2)", "here\ufffd"),
        ("exit(3)", "exit status 3, nothing in the log"),
        ("import os; os.kill(os.getpid(), 9)", "killed by SIGKILL (out of memory?)"),
        (None, "could not be started: [Errno 2] No such file or directory: '/no/such/python'"),
    ],
)
def test_what_went_wrong_is_the_last_error_of_this_attempt(program, problem, tmp_path):
    (log := tmp_path / "log.txt").write_text("error: of an earlier attempt\n")
    command = ["/no/such/python"] if program is None else [sys.executable, "-c", program]
    assert runner.run_logged(command, log, os.environ, []) == problem
    assert log.read_text(errors="replace").startswith("error: of an earlier attempt\n")


def a_sweep(folder):
    file = open(folder.log, "a")  # noqa: SIM115
    fcntl.flock(file, fcntl.LOCK_EX)
    return file


def a_fit(folder):
    return importlib.import_module("training.start")._lock(folder)


def hold(holder, folder, held, end):
    file = holder(folder)
    held.set()
    end.wait(60)
    return file


TRAIN = """
import fcntl, sys
try:
    fcntl.lockf(open(sys.argv[1] + "/.lock", "a"), fcntl.LOCK_EX | fcntl.LOCK_NB)
except OSError:
    sys.exit("error: another process is training in here; wait for it or stop it")
print("trained")
"""


@pytest.mark.parametrize(
    ("holder", "known", "ends"),
    [
        *((holder, False, ends) for holder in (a_sweep, a_fit) for ends in ("by itself", "by a stop")),
        (a_fit, True, "by a stop"),
    ],
    ids=["a sweep", "a sweep, stopped", "a fit", "a fit, stopped", "a fit since long, stopped"],
)
def test_what_another_process_trains_is_waited_for_and_left_to_it(holder, known, ends, tmp_path, monkeypatch):
    """Unless it is `known`, it began between the look at it and the start of the run."""
    record = RunRecord("a", "a", "g", "n", "zero", 0, 4, "val/acc1")
    run = PointRun(None, RunFolder(tmp_path), record, [sys.executable, "-c", TRAIN, tmp_path])
    shown, stop, fork = io.StringIO(), [], multiprocessing.get_context("fork")
    importlib.import_module("training.start")  # takes seconds: once, not in each fork
    assert not runner.is_trained(run.folder)
    held, end = fork.Event(), fork.Event()
    other = fork.Process(target=hold, args=(holder, run.folder, held, end))
    other.start()
    with ThreadPoolExecutor(1) as pool:
        assert held.wait(60)
        answers, is_trained = iter(() if known else (False, False)), runner.is_trained
        monkeypatch.setattr(runner, "is_trained", lambda folder: next(answers, None) is None and is_trained(folder))
        display = SweepDisplay(Console(file=shown), [run])
        found = pool.submit(runner.train_run, run, os.environ, stop, display)
        while "waiting for what trains already a" not in shown.getvalue() and not found.done():
            time.sleep(0.05)
        if ends == "by a stop":
            stop.append(signal.SIGTERM)
            found.result()
            assert (run.state, other.is_alive()) == (State.INTERRUPTED, True)
        end.set()
        found.result()
    other.join()
    assert ("waiting" in shown.getvalue(), runner.is_trained(run.folder)) == (True, False)
    log = run.folder.log
    assert (log.exists() and log.read_text().endswith("trained\n")) == (ends == "by itself")


def test_bars_count_the_epochs_that_are_still_to_come(tmp_path):
    """Two epochs of four are there when the sweep starts; a run that fails no longer counts what it did not do."""
    runs = []
    for name in "ab":
        record = RunRecord(name, name, "g", "n", "zero", 0, 4, "val/acc1")
        folder = RunFolder(tmp_path / name)
        folder.write_record(record)
        folder.write_rows([{"epoch": 0, "step": 1}, {"epoch": 1, "step": 2, "val/acc1": 33.333}])
        runs.append(PointRun(None, folder, record, [], record))
    text = io.StringIO()
    display = SweepDisplay(Console(file=text, force_terminal=True, width=120), runs)
    runs[0].state = State.RUNNING
    runs[0].folder.write_rows([{"epoch": epoch, "step": epoch + 1, "val/acc1": 50.0} for epoch in range(3)])
    display.look()
    with display:
        pass
    runs[0].state, runs[0].reason = State.FAILED, "error: full [disk]"
    display.ended(runs[0])
    display.look()
    with display:
        pass
    for shown in ("5/8", "3/4", "val/acc1 50.00", "5/7", "1 of 2 runs, 1 failed", "failed a: error: full [disk]"):
        assert shown in text.getvalue(), shown
