"""Runs main.py as a user does, on the small sample tree, and reads what it left."""

import functools
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import torch

from cli import app
from records import RunFolder, find_runs

ROOT = Path(__file__).parent.parent.parent

SMALL = [
    "--config=configs/demo/demo.yaml",
    "--data.image_size=24",
    "--data.eval_resize=28",
    "--data.batch_size=16",
    "--trainer.max_epochs=3",
    "--model.milestones=[2]",
]
"""The demo's configuration cut down: 8 steps an epoch of 130 images, 3 epochs."""

NO_DASHBOARD = "--trainer.logger=false"

SMALL_SCENES = [
    "--config=configs/demo/segmentation.yaml",
    "--data.crop_size=64",
    "--model.head_channels=8",
    "--model.skip_channels=4",
    NO_DASHBOARD,
]
"""The same of the segmentation demo: 4 steps an epoch of 18 images."""


def main(*arguments: str, check: bool = True, environment: dict[str, str] | None = None) -> subprocess.CompletedProcess:
    """Runs `python main.py *arguments` in a process of its own; stdout and stderr come together in stdout."""
    done = run_forked("main.py", *arguments, environment=environment)
    assert not check or done.returncode == 0, done.stdout
    return done


@functools.cache
def _server() -> subprocess.Popen:
    """Of this test process; it ends with its input, when this one does."""
    command = [sys.executable, "-m", "tests.support.forked"]
    return subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def run_forked(
    program: str, *arguments: str, environment: dict[str, str] | None = None, limit: int = 600
) -> subprocess.CompletedProcess:
    """Runs a Python file of the repository as a program, for `limit` seconds at most: see forked.py."""
    server = _server()
    with tempfile.NamedTemporaryFile() as output:
        request = [program, arguments, output.name, environment or dict(os.environ), limit]
        print(json.dumps(request), file=server.stdin, flush=True)
        status = int(server.stdout.readline())
        return subprocess.CompletedProcess(program, status, Path(output.name).read_text(errors="replace"))


def main_here(*arguments: str) -> int:
    """Runs main.py's work in this process, which saves the seconds of a start; returns the exit status.

    For runs without W&B, whose service would outlive the test. Programs started later must not inherit what this set in
    the environment, such as the port.
    """
    before = dict(os.environ)
    try:
        return app.main(list(arguments))
    finally:
        os.environ.clear()
        os.environ.update(before)


def refusal(capsys, *arguments: str) -> str:
    """Runs main.py's work in this process, which must refuse its arguments; returns the message for the user."""
    status, error = main_here(*arguments), capsys.readouterr().err
    assert status == 2, error
    assert "Traceback" not in error
    return error[error.index("error:") :]


def killed(where: str, count: int, *arguments: str) -> None:
    """Runs main.py and ends it at the `count`-th `where`: see killed.py. SIGKILL, or SIGTERM for `term`."""
    done = run_forked("tests/support/killed.py", where, str(count), *arguments)
    assert done.returncode == (143 if where == "term" else -signal.SIGKILL), done.stdout


def fit(root: Path, tree: Path, *arguments: str) -> list[str]:
    return ["fit", *SMALL, f"--run.root={root}", f"--data.root={tree}", *arguments]


def only_run(root: Path) -> RunFolder:
    (folder,) = find_runs(root)
    return folder


def start_of(output: str) -> tuple[str, int]:
    """(`beginning` or the checkpoint's name, step) that the program said it starts from."""
    found = re.search(r"resuming from \S*/(resume-\S+?): step (\d+)", output)
    return (found[1], int(found[2])) if found else ("beginning", 0)


def rows_without_time(folder: RunFolder) -> list[dict]:
    return [{key: value for key, value in row.items() if key != "seconds"} for row in folder.read_rows()]


def newest_checkpoint(folder: RunFolder) -> dict:
    path = sorted(folder.checkpoints.glob("resume-*.ckpt"))[-1]
    return torch.load(path, weights_only=True)
