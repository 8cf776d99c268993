"""What the studies' commands share: where the runs are, what is printed, and the error where nothing applies."""

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
"""A W&B project, as an option's type."""


ANOTHER_OUTPUT = "choose another folder with --output"


@dataclass
class Runs:
    """Where the runs are, and where to write: options of every study of runs.

    Attributes:
        runs_folder: folder that holds run folders at any depth
        wandb: instead: the runs of a W&B project, of which run folders are made in runs/wandb/ENTITY/PROJECT
        output: where to write; default: report/ beside the runs
        metric: such as val/acc5; default: the metric that most runs monitor
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
        """The folder of the runs, for those of W&B too."""
        return self.runs_folder or ROOT / self.wandb

    def collect(self) -> Collection:
        """The Collection of these runs. Raises UserError where there is nothing to report."""
        try:
            return collect(self.folder, self.metric, self._not_mirrored)
        except RunFolderError as error:
            raise UserError(str(error)) from None

    @cached_property
    def _not_mirrored(self) -> Sequence[SetAside]:
        """Makes `folder` hold the runs of a W&B project, once; returns those that it cannot hold."""
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
    """Prints a line as it is, but for characters that would steer a terminal: names may come from anywhere."""
    text = re.sub(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]", "?", text)
    console.print(text, markup=False, highlight=False, soft_wrap=True)
