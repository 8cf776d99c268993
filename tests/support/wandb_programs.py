"""Runs the real `wandb` program, as a user does in the repository's folder, against the loopback server."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from records import RunFolder, find_runs
from tests.support.program import ROOT, SMALL
from tests.support.wandb_server import WandbServer
from tests.support.wandb_state import ENTITY, Project, Run, Sweep
from training.loggers import PROJECT

BIN = Path(sys.executable).parent
SILENT_FOR_A_TEST = 600
"""Seconds after which a program is taken to hang."""


class Laboratory:
    """A folder with runs and an environment whose programs log to `server`.

    Attributes:
        runs: root of the run folders.
        project: what the server holds of it.
    """

    def __init__(self, server: WandbServer, folder: Path, tree: Path) -> None:
        self.server, self.folder, self.tree = server, folder, tree
        self.runs = folder / "runs"
        # `${interpreter}` is the `python` of the PATH.
        path = f"{BIN}{os.pathsep}{os.environ['PATH']}"
        self.environment = server.environment(folder / "home", PATH=path, WANDB_SILENT="false")

    @property
    def project(self) -> Project:
        return self.server.world.projects[ENTITY, PROJECT]

    def start(self, *command: str) -> subprocess.Popen:
        return subprocess.Popen(
            command, cwd=ROOT, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )

    def wandb(self, *arguments: str) -> str:
        """Runs `wandb *arguments` to its end and returns its output."""
        return output_of(self.start(str(BIN / "wandb"), *arguments))

    def register(self, **content: Any) -> Sweep:
        """`wandb sweep` of sweeps/demo.yaml, cut down as SMALL is, with some of its keys changed."""
        parameters = {**self._small(), **content.pop("parameters")}
        text = yaml.safe_dump({**demo_sweep(), **content, "parameters": parameters}, sort_keys=False)
        file = self.folder / "sweep.yaml"
        file.write_text(text)
        self.wandb("sweep", str(file))
        return list(self.project.sweeps.values())[-1]

    def start_agent(self, sweep: Sweep, *options: str) -> subprocess.Popen:
        return self.start(str(BIN / "wandb"), "agent", *options, f"{ENTITY}/{PROJECT}/{sweep.name}")

    def _small(self) -> dict[str, Any]:
        pairs = [option.removeprefix("--").split("=", 1) for option in SMALL]
        small = {name: {"value": yaml.safe_load(value)} for name, value in pairs if name != "config"}
        return {**small, "run.root": {"value": str(self.runs)}, "data.root": {"value": str(self.tree)}}

    def folder_of(self, run: Run) -> RunFolder:
        (folder,) = [folder for folder in find_runs(self.runs) if folder.read_record().id == run.name]
        return folder


def output_of(process: subprocess.Popen) -> str:
    """Waits for the end; fails unless the exit status is 0. Printed, so that a failed test shows what a run said."""
    try:
        output, _ = process.communicate(timeout=SILENT_FOR_A_TEST)
    finally:
        process.kill()
    print(output)
    assert process.returncode == 0, output
    return output


def demo_sweep() -> dict[str, Any]:
    return yaml.safe_load((ROOT / "sweeps/demo.yaml").read_text())
