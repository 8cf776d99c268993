"""Shared by the commands of studies: the options that name the runs and the output, and how a line is printed."""

import re
import tempfile
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated

from rich.console import Console

from records import RunFolderError
from records.atomic import check_writable
from records.errors import UserError
from studies.runs.collect import Collection, SetAside, collect
from studies.runs.options import Argument
from studies.runs.wandb_mirror import ROOT, mirror, project_path

Project = Annotated[str, Argument(type=project_path, metavar="ENTITY/PROJECT")]
"""Type of an option that names a W&B project."""


ANOTHER_OUTPUT = "choose another folder with --output"


@dataclass
class Runs:
    """Options of every study of runs: where the runs are, and where to write.

    Attributes:
        runs_folder: folder that holds run folders at any depth
        wandb: W&B project that holds the runs instead; run folders are made of them in runs/wandb/ENTITY/PROJECT
        output: folder for the results; default: report/ in the folder of the runs
        metric: metric that compares the runs, such as val/acc5; default: the one that most runs monitor
    """

    runs_folder: Path | None = None
    _: KW_ONLY
    wandb: Project | None = None
    output: Path | None = None
    metric: str | None = None

    def __post_init__(self):
        if (self.runs_folder is None) == (self.wandb is None):
            raise UserError("say where the runs are: either a folder, or --wandb ENTITY/PROJECT")
        if "loss" in (self.metric or ""):
            raise UserError(f"--metric {self.metric}: the highest loss is not the best one; choose such as val/acc1")

    @property
    def folder(self) -> Path:
        """The folder of the runs; for a W&B project, the folder of the run folders made of it."""
        return self.runs_folder or ROOT / self.wandb

    def collect(self) -> Collection:
        """Returns the Collection of these runs. Raises UserError if there is nothing to report."""
        try:
            return collect(self.folder, self.metric, self._not_mirrored)
        except RunFolderError as error:
            raise UserError(str(error)) from None

    @cached_property
    def _not_mirrored(self) -> Sequence[SetAside]:
        """Writes the runs of a W&B project into `folder`, once; returns those of which no run folder can be made."""
        if self.wandb is None:
            return ()
        # Imported late: it takes seconds.
        from studies.runs.wandb_project import read_runs

        check_writable(self.folder, "start this where you may write")
        with tempfile.TemporaryDirectory() as downloads:
            runs = read_runs(self.wandb, Path(downloads))
            if not runs:
                raise UserError(f"W&B project {self.wandb} holds no runs")
            return mirror(runs, self.folder)

    def output_folder(self) -> Path:
        """The folder to write into. Raises UserError if nothing can be written there."""
        folder = self.output or self.folder / "report"
        check_writable(folder, ANOTHER_OUTPUT)
        return folder


def say(console: Console, text: str) -> None:
    """Prints a line, with `?` for characters that would control the terminal: names may come from anywhere."""
    text = re.sub(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]", "?", text)
    console.print(text, markup=False, highlight=False, soft_wrap=True)
