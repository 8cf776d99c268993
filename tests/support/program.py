"""Runs main.py as a user does, on the small sample tree, and reads what it left."""

import os
import re
import signal
import subprocess
import sys
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


def main(*arguments: str, check: bool = True, timeout: int = 600) -> subprocess.CompletedProcess:
    """Runs `python main.py *arguments`; stdout and stderr come together in stdout."""
    done = subprocess.run(
        [sys.executable, "main.py", *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=timeout,
        check=False,
    )
    assert not check or done.returncode == 0, done.stdout
    return done


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


def killed(where: str, count: int, *arguments: str, timeout: int = 600) -> None:
    """Runs main.py and ends it at the `count`-th `where`: see killed.py. SIGKILL, or SIGTERM for `term`."""
    command = [sys.executable, str(ROOT / "tests/support/killed.py"), where, str(count), *arguments]
    process = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    )
    output, _ = process.communicate(timeout=timeout)
    assert process.returncode == (143 if where == "term" else -signal.SIGKILL), output


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
