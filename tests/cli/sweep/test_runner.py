"""Running a sweep: real processes of a tiny program; finished skipped, failures survived, nothing left behind."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import cli.sweep.command
from cli.sweep.display import Eta, duration
from cli.sweep.process import last_words
from cli.sweep.runner import State, Task
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
if do == "shot":
    os.kill(os.getpid(), signal.SIGKILL)
if do in ("sleep", "stubborn"):
    if do == "stubborn":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    helper = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    with open("pids", "a") as file:
        file.write(f"{os.getpid()} {helper.pid}\\n")
    time.sleep(600)
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

DRIVER = """
import sys
sys.path[:0] = [ROOT, TESTS]
import cli.sweep.command
import fake_resolve
cli.sweep.command.command.find_resolve = lambda: fake_resolve.resolve
sys.exit(cli.sweep.command.command.main(sys.argv[1:]))
"""


def resolve(arguments):
    options = dict(argument[2:].split("=", 1) for argument in arguments[1:])
    if options["name"] == "typo":
        raise UserError("--name: typo is not known")
    name = options["name"].split("+")[0]
    record = RunRecord(name, name, "g", "n", "zero", 0, 2, "val/acc1")
    return RunFolder(Path("runs") / name), record


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A working folder with the program in it; returns a function that writes a sweep file."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(cli.sweep.command, "find_resolve", lambda: resolve)
    # The real one imports torch to look for a GPU.
    monkeypatch.setattr(cli.sweep.command, "default_jobs", lambda: 2)
    for name in (*cli.sweep.command.WANDB_IDENTITY, "OMP_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "main.py").write_text(PROGRAM)

    def write(names, do):
        text = SWEEP.replace("NAMES", ", ".join(names)).replace("DO", do)
        (tmp_path / "sweep.yaml").write_text(text)
        return "sweep.yaml"

    return write


def log(name):
    return Path("runs", name, "log.txt").read_text()


def test_runs_each_point_then_skips_what_is_finished(place, capsys):
    file = place(["a", "b", "c"], "finish")
    assert cli.sweep.command.main([file, "--jobs", "2", "--threads", "3"]) == 0
    shown = capsys.readouterr().out
    assert "3 runs, 2 at a time" in shown
    assert shown.count("started") == 3
    assert "Next: python main.py report runs\n" in shown
    assert log("a") == "attempt of a threads 3\n"
    assert cli.sweep.command.main([file]) == 0
    shown = capsys.readouterr().out
    assert shown.count("already finished") == 3
    assert "started" not in shown
    assert log("a").count("attempt") == 1


def test_goes_on_after_a_failure_and_tries_it_again(place, capsys):
    assert cli.sweep.command.main([place(["a", "b"], "fail"), "--jobs", "1"]) == 1
    shown = capsys.readouterr().out
    assert "2 of 2 runs failed" in shown
    assert "a: error: the disk is full" in shown
    assert f"log: {Path('runs', 'b', 'log.txt')}" in shown
    assert "tries the failed runs again" in shown
    assert cli.sweep.command.main([place(["a", "b"], "finish"), "--jobs", "1"]) == 0
    assert log("a").count("attempt") == 2


@pytest.mark.parametrize(
    ("do", "reason"), [("silent", "ended before its last epoch"), ("shot", "killed by SIGKILL (out of memory?)")]
)
def test_exit_status_alone_does_not_make_a_run_finished(place, capsys, do, reason):
    assert cli.sweep.command.main([place(["a"], do)]) == 1
    assert f"a: {reason}" in capsys.readouterr().out


def test_a_program_that_cannot_be_started_is_a_failed_run(place, capsys):
    file = place(["a"], "finish")
    Path(file).write_text(Path(file).read_text().replace("${interpreter}", "/no/such/python"))
    assert cli.sweep.command.main([file]) == 1
    assert "a: could not be started" in capsys.readouterr().out


def test_all_points_are_checked_before_the_first_starts(place):
    with pytest.raises(UserError, match=r"sweep\.yaml: point name=typo do=finish: --name: typo is not known"):
        cli.sweep.command.main([place(["a", "typo"], "finish")])
    with pytest.raises(UserError, match=r"the points name=a do=finish and name=a\+1 do=finish are one run"):
        cli.sweep.command.main([place(["a", "a+1"], "finish")])
    Path("runs/b").mkdir(parents=True)
    Path("runs/b/run.json").write_text("{")
    with pytest.raises(UserError, match=r"point name=b .*run\.json is damaged"):
        cli.sweep.command.main([place(["a", "b"], "finish")])
    assert not Path("runs/a").exists()


def test_other_programs_a_missing_program_and_an_inherited_run_are_refused(place, monkeypatch):
    file = place(["a"], "finish")
    text = Path(file).read_text()
    for changed in (text.replace("main.py", "train.py"), text.replace("fit, ", "")):
        Path(file).write_text(changed)
        with pytest.raises(UserError, match=r"main\.py fit only"):
            cli.sweep.command.main([file])
    Path(file).write_text(text.replace("main.py", "elsewhere/main.py"))
    with pytest.raises(UserError, match=r"start the sweep where main\.py is"):
        cli.sweep.command.main([file])
    monkeypatch.setenv("WANDB_RUN_ID", "x")
    with pytest.raises(UserError, match="unset WANDB_RUN_ID"):
        cli.sweep.command.main([file])


def test_dry_run_starts_nothing(place, capsys):
    assert cli.sweep.command.main([place(["a"], "finish"), "--dry-run"]) == 0
    assert "main.py fit --name=a --do=finish" in capsys.readouterr().out
    assert not Path("runs").exists()


@pytest.mark.parametrize(
    ("do", "signals", "status"),
    [
        ("sleep", [signal.SIGINT], 130),
        ("sleep", [signal.SIGTERM], 143),
        ("stubborn", [signal.SIGINT, signal.SIGINT], 130),
    ],
    ids=["Ctrl-C", "SIGTERM", "Ctrl-C twice"],
)
def test_a_signal_leaves_no_process_behind(place, tmp_path, do, signals, status):
    file = place(["a", "b", "c"], do)
    Path("fake_resolve.py").write_text(f"import sys\nsys.path.insert(0, {str(Path(__file__).parent)!r})\n" + RESOLVE)
    Path("driver.py").write_text(DRIVER.replace("ROOT", repr(str(ROOT))).replace("TESTS", repr(str(tmp_path))))
    # In a session of its own, as a shell's job is: the signal below reaches the sweep alone.
    command = [sys.executable, "driver.py", file, "--jobs", "2"]
    sweep = subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, start_new_session=True, preexec_fn=heed_interrupts
    )
    pids = wait_for_pids(Path("pids"), 2)
    for number in signals:
        sweep.send_signal(number)
        time.sleep(0.5)
    shown, _ = sweep.communicate(timeout=20)
    assert sweep.returncode == status
    assert [pid for pid in pids if is_alive(pid)] == []
    assert shown.count("interrupted a") == shown.count("interrupted b") == 1
    assert "not started" in shown
    assert "started again continues" in shown
    # What was interrupted is continued.
    assert cli.sweep.command.main([place(["a", "b", "c"], "finish")]) == 0


def heed_interrupts():
    """Tests that a script started in the background ignore SIGINT, and so would their children."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


RESOLVE = """
from pathlib import Path
from records import RunFolder, RunRecord

def resolve(arguments):
    name = dict(argument[2:].split("=", 1) for argument in arguments[1:])["name"]
    return RunFolder(Path("runs") / name), RunRecord(name, name, "g", "n", "zero", 0, 2, "val/acc1")
"""


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


def test_threads_are_shared_out_unless_the_user_said_how_many(monkeypatch):
    monkeypatch.setattr(cli.sweep.command, "cores", lambda: 8)
    assert cli.sweep.command.child_environment({}, 3, None)["OMP_NUM_THREADS"] == "2"
    assert cli.sweep.command.child_environment({}, 16, None)["OMP_NUM_THREADS"] == "1"
    assert cli.sweep.command.child_environment({"OMP_NUM_THREADS": "5"}, 2, None)["OMP_NUM_THREADS"] == "5"
    assert cli.sweep.command.child_environment({"OMP_NUM_THREADS": "5"}, 2, 7)["OMP_NUM_THREADS"] == "7"


def test_last_words_are_this_attempts_error(tmp_path):
    file = tmp_path / "log.txt"
    file.write_text("error: old\n")
    assert last_words(file, file.stat().st_size) == ""
    file.write_text("error: old\nerror: new\nTraceback\n\n")
    assert last_words(file, 11) == "error: new"
    file.write_bytes(b"x\n\xff torn\n")
    assert last_words(file).endswith("torn")
    file.write_text("Traceback\n\x1b[31mRuntimeError: shapes\x1b[0m\n\x1b[1;34mwandb\x1b[0m: Find logs at: here\n")
    assert last_words(file) == "RuntimeError: shapes"


def test_time_left_counts_open_epochs(tmp_path):
    tasks = [Task(name, (), RunFolder(tmp_path / name), 4, "val/acc1") for name in "abc"]
    tasks[0].state = State.SKIPPED
    eta = Eta(tasks, now=0.0)
    assert eta.left(10.0) is None
    tasks[1].folder.path.mkdir()
    tasks[1].folder.write_rows([{"epoch": 0, "step": 1}, {"epoch": 1, "step": 2}])
    # Two epochs in 10 s, six to come.
    assert eta.left(10.0) == 30.0
    assert eta.share() == 0.5
    tasks[2].state = State.FAILED
    assert eta.left(10.0) == 10.0


def test_durations_are_rounded_up():
    assert [duration(s) for s in (0, 59, 61, 7199, 7201, 36000)] == ["1 min", "1 min", "2 min", "2 h", "2 h", "10 h"]


def test_help_and_wrong_options(capsys):
    for arguments, status in ((["--help"], 0), (["x.yaml", "--jobs", "0"], 2), ([], 2)):
        with pytest.raises(SystemExit) as caught:
            cli.sweep.command.main(arguments)
        assert caught.value.code == status
    assert "from 1 on" in capsys.readouterr().err


def test_records_written_by_the_program_are_records(place):
    assert cli.sweep.command.main([place(["a"], "finish")]) == 0
    assert json.loads(Path("runs/a/run.json").read_text())["finished"]
    assert RunFolder(Path("runs/a")).read_record().name == "a"
