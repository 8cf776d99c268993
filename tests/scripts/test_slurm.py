"""The SLURM scripts without SLURM: their bodies run with small programs in the place of srun, scontrol and wandb."""

import os
import random
import signal
import socket
import stat
import subprocess
import sys

import pytest

from tests.support.program import ROOT, fit, only_run

SCRIPTS = sorted((ROOT / "scripts/slurm").glob("*.sbatch"))

# As many "machines" as there are tasks, all of them this one. It ends with the highest status; where one task ends with
# another than 0, the others get a while to end, too.
SRUN = """
import os, subprocess, sys, time
command = sys.argv[1:]
while command[0].startswith("--"):
    command.pop(0)
tasks = [
    subprocess.Popen(command, env={**os.environ, "SLURM_PROCID": str(n), "SLURM_NODEID": str(n), "SLURM_LOCALID": "0"})
    for n in range(int(os.environ["SLURM_NTASKS"]))
]
with open("pids.new", "w") as file:
    file.write(" ".join(str(task.pid) for task in tasks))
os.replace("pids.new", "pids")
while any(task.poll() is None for task in tasks) and not any(task.poll() for task in tasks):
    time.sleep(0.05)
for task in tasks:
    try:
        task.wait(60)
    except subprocess.TimeoutExpired:
        task.kill()
        task.wait()
sys.exit(max(task.returncode if task.returncode >= 0 else 128 - task.returncode for task in tasks))
"""

SCONTROL = "import sys; open('scontrol', 'a').write(' '.join(sys.argv[1:]) + '\\n')"

# An agent that passes a signal on to its run and waits for it to save.
WANDB = """
import os, signal, sys, time
def stop(*_):
    time.sleep(0.3)
    open("saved", "w").close()
    sys.exit(0)
signal.signal(signal.SIGTERM, stop)
slurm = sorted(name for name in os.environ if name.startswith("SLURM_"))
print("agent", *sys.argv[1:], "|", *slurm, flush=True)
time.sleep(60) if "wait" in sys.argv else sys.exit(3)
"""


@pytest.fixture
def cluster(tmp_path):
    """(working folder, environment) of a batch script of job 1234, whose tools are the programs above."""
    tools = tmp_path / "tools"
    tools.mkdir()
    for name, code in {"srun": SRUN, "scontrol": SCONTROL, "wandb": WANDB, "python": None}.items():
        tool = tools / name
        code_file = tools / f"{name}.py"
        code_file.write_text(code or "")
        tool.write_text(f'#!/bin/sh\nexec "{sys.executable}" {code_file if code else ""} "$@"\n')
        tool.chmod(tool.stat().st_mode | stat.S_IXUSR)
    work = tmp_path / "work"
    work.mkdir()
    # Lightning derives the port from the job's number.
    free = next(port for port in random.sample(range(15000, 25000), 100) if is_free(port))
    job = {
        "SLURM_JOB_ID": str(free - 15000),
        "SLURM_JOB_NAME": "padding",
        "SLURM_NTASKS": "1",
        "SLURM_PROCID": "0",
        "PATH": f"{tools}:{os.environ['PATH']}",
    }
    return work, {**os.environ, **job}


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


def submit(script: str, cluster, *arguments: str) -> subprocess.Popen:
    work, environment = cluster
    command = ["bash", str(ROOT / "scripts/slurm" / script), *arguments]
    return subprocess.Popen(
        command,
        cwd=work,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def read_until(process: subprocess.Popen, text: str) -> str:
    lines = []
    for line in process.stdout:
        lines.append(line)
        if text in line:
            return "".join(lines)
    raise AssertionError(f"ended before '{text}':\n{''.join(lines)}")


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_bash_reads_it(script):
    subprocess.run(["bash", "-n", script], check=True)


def test_an_agent_of_its_own_accord_and_on_request(cluster):
    work, _ = cluster
    process = submit("agents.sbatch", cluster, "e/p/s", "--count", "1")
    shown, _ = process.communicate(timeout=60)
    # The run must not take its process for one that srun started.
    assert "agent agent --forward-signals --count 1 e/p/s | SLURM_JOB_ID SLURM_JOB_NAME\n" in shown
    assert process.returncode == 3
    assert not (work / "scontrol").exists(), "an agent that ended by itself is not started again"

    process = submit("agents.sbatch", cluster, "e/p/s", "wait")
    read_until(process, "agent agent")
    process.send_signal(signal.SIGTERM)
    shown, _ = process.communicate(timeout=60)
    assert (work / "saved").exists(), "requeued before the run had saved"
    assert (work / "scontrol").read_text() == f"requeue {cluster[1]['SLURM_JOB_ID']}\n", shown


def test_without_a_sweep_an_agent_says_how_to_start_it(cluster):
    process = submit("agents.sbatch", cluster)
    shown, _ = process.communicate(timeout=60)
    assert (process.returncode, "usage: sbatch" in shown) == (2, True)


# A start of two processes takes 20 s; that a run of two goes on where it stopped is tested without SLURM, too.
@pytest.mark.parametrize("starts", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_two_machines_train_one_run_save_on_request_and_go_on(starts, cluster, sample_tree):
    work, environment = cluster
    nodes = {"SLURM_NTASKS": "2", "SLURM_NTASKS_PER_NODE": "1", "SLURM_NNODES": "2", "SLURM_JOB_NUM_NODES": "2"}
    environment |= {**nodes, "SLURM_NODELIST": "127.0.0.1"}
    for name in ("main.py", "configs"):
        (work / name).symlink_to(ROOT / name)
    arguments = fit(work / "runs", sample_tree, "--trainer.max_epochs=60", "--trainer.accelerator=cpu")[1:]
    signals = ((signal.SIGUSR1, "epoch 1 of 60", "beginning"), (signal.SIGTERM, "epoch 3 of 60", "resuming from"))
    for number, until, said in signals[:starts]:
        process = submit("multi_node.sbatch", cluster, *arguments)
        shown = read_until(process, until)
        for pid in (work / "pids").read_text().split():
            os.kill(int(pid), number)
        rest, _ = process.communicate(timeout=300)
        assert process.returncode == 128 + number, shown + rest
        assert f"stopped by {number.name}" in rest
        assert said in shown
    assert (work / "scontrol").read_text() == f"requeue {environment['SLURM_JOB_ID']}\n" * starts
    # One run: a folder, a W&B run of its id for each attempt, each epoch once, no checkpoint of Lightning's own.
    run = only_run(work / "runs")
    record = run.read_record()
    assert [attempt["processes"] for attempt in record.attempts] == [2] * starts
    assert len(run.read_rows()) >= 2 * starts - 1
    offline = list(run.path.glob("wandb/offline-run-*/*.wandb"))
    assert [file.name for file in offline] == [f"run-{record.id}.wandb"] * starts
    assert not list(work.rglob("hpc_ckpt*"))
