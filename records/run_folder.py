"""One folder a run, and everything about the run in it.

config.yaml         the resolved configuration: `main.py fit --config config.yaml` is the same run
run.json            who the run is (RunRecord) and each attempt at it: command, host, versions, commit, where it resumed
padding.json        the conversion report: which layers got the padding scheme
epochs.csv          a row of metrics an epoch
data.json.gz        names and sizes of the files that it trains and validates on, and digests of some
skipped_images.csv  damaged training images that were passed over (data.on_damaged), and why
logged.json         how many epochs loggers have, other than those of W&B, CSV and TensorBoard
decoded_by_pillow.csv  images that the decoders of data.fast=true cannot read, and why
evaluations/        what checkpoints did on the reported images, one file a way of testing: EvaluationRecord of
                    segmentation networks, ClassificationRecord of classifiers, with the list of images (ImageList);
                    and what `validate` found (ValidationRecord)
checkpoints/        best.ckpt and epoch-NNN.ckpt (weights), resume-NNNNNNNNNN.ckpt (everything)
wandb/              the W&B run's files
log.txt             what the run printed, where a sweep on this machine started it
"""

import csv
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from records.codec import Record
from records.errors import RecordError
from records.rows import Row, read_rows, write_rows

WANDB_PREFIX = "run_folder_"
"""Put before the names of a run's `core_files` among the files of its W&B run.

W&B has a config.yaml itself, and a run.json below the run folder's wandb/ would count as another run.
"""


class RunFolderError(RecordError):
    """A run folder that is damaged or no run folder at all; the message names the file."""


@dataclass
class RunRecord(Record):
    """The content of `run.json`.

    Attributes:
        id: stable id, the same at every attempt; also the W&B run's id.
        name: `group` and seed.
        group: architecture, variant and scheme: runs of one group differ by their seed alone.
        network: model name, as timm knows it.
        padding: the scheme it trains with.
        seed: of weights, sample order and augmentation.
        max_epochs: length of the whole run.
        monitor: the metric that "best" refers to, in percent.
        targets: values of `monitor` whose first epoch is reported.
        digest: hash of the settings that decide the result.
        digest_rule: 1 where the digest covers the folder of the data, too, as it did at first; else 2.
        data_root: the folder of the data at the last attempt; "" in records of rule 1.
        data: digest of the files that it trains and validates on; "" before they were looked at.
        finished: whether the run came to its end.
        attempts: one entry a start of the program, newest last.
        variant: what else keeps runs of one network apart, such as the split of the data; "" if nothing does.
        max_steps: optimiser steps at which the run ends if that is before `max_epochs`; -1 is no such limit.
    """

    INDENT: ClassVar[int] = 1

    id: str
    name: str
    group: str
    network: str
    padding: str
    seed: int
    max_epochs: int
    monitor: str
    targets: list[float] = field(default_factory=list)
    digest: str = ""
    finished: bool = False
    attempts: list[dict[str, Any]] = field(default_factory=list)
    variant: str = ""
    max_steps: int = -1
    digest_rule: int = 1
    data_root: str = ""
    data: str = ""

    def __post_init__(self) -> None:
        # They become words of pages, names of files and arguments of commands.
        for name in ("name", "group", "network", "padding", "monitor", "variant"):
            text = str(getattr(self, name))  # a configuration may say null, which the network refuses later
            if not re.fullmatch(r"[^\x00-\x1f\x7f-\x9f]{0,200}", text) or text.startswith("-"):
                raise RecordError(f"{name} is {text[:40]!r}; it must be one line of at most 200 characters, no option")

    @property
    def compared_as(self) -> str:
        """Name that runs are compared under: those that differ in more than padding and seed have different ones."""
        return f"{self.network}-{self.variant}" if self.variant else self.network


def _within(name: str) -> property:
    def path(folder: "RunFolder") -> Path:
        return folder.path / name

    return property(path)


@dataclass(frozen=True)
class RunFolder:
    """Paths and content of one run's folder."""

    path: Path

    config = _within("config.yaml")
    record_file = _within("run.json")
    padding_report = _within("padding.json")
    epochs = _within("epochs.csv")
    data_files = _within("data.json.gz")
    skipped = _within("skipped_images.csv")
    by_pillow = _within("decoded_by_pillow.csv")
    logged = _within("logged.json")
    checkpoints = _within("checkpoints")
    evaluations = _within("evaluations")
    log = _within("log.txt")

    @property
    def core_files(self) -> tuple[Path, ...]:
        """What studies of curves and accuracies need, and what a run saves to W&B."""
        return self.record_file, self.config, self.epochs

    def exists(self) -> bool:
        """Whether a run was ever started here."""
        return self.record_file.is_file()

    def read_record(self) -> RunRecord:
        """Raises RunFolderError, naming the file, if it is missing or damaged."""
        try:
            return RunRecord.read(self.record_file)
        except (FileNotFoundError, NotADirectoryError):
            raise RunFolderError(f"{self.path} is no run folder: run.json is missing") from None
        except RecordError as error:
            raise RunFolderError(str(error)) from None

    def write_record(self, record: RunRecord) -> None:
        record.write(self.record_file)

    def read_noted(self, path: Path) -> dict[str, str]:
        """Images of a list of the folder, and why they are there; none where the list is missing or damaged."""
        try:
            with open(path, newline="", errors="surrogateescape") as file:
                return {row["image"]: row["error"] for row in csv.DictReader(file)}
        except (OSError, ValueError, KeyError):
            return {}

    def read_rows(self) -> list[Row]:
        """The finished epochs, none if there are none. Raises RunFolderError, naming the file, if it is damaged."""
        if not self.epochs.is_file():
            return []
        try:
            return read_rows(self.epochs)
        except ValueError as error:
            raise RunFolderError(f"damaged rows: {error}") from None

    def write_rows(self, rows: list[Row]) -> None:
        write_rows(self.epochs, rows)


def find_runs(root: str | Path) -> list[RunFolder]:
    """Every run folder at or below `root`, sorted by path; raises RunFolderError if `root` is no folder."""
    root = Path(root)
    if not root.is_dir():
        raise RunFolderError(f"{root} is no folder; give the folder that holds the runs, such as runs/demo")
    return [RunFolder(file.parent) for file in sorted(root.rglob("run.json"))]
