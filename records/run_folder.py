"""The run folder: one folder per run, with every file of the run.

config.yaml         the resolved configuration: `main.py fit --config config.yaml` is the same run
run.json            identity of the run (RunRecord) and its attempts: command, host, versions, commit, resume point
padding.json        the conversion report: the layers that got the padding scheme
epochs.csv          a row of metrics per epoch
data.json.gz        names and sizes of the training and validation files, and digests of some
skipped_images.csv  damaged training images that were skipped (data.on_damaged), and why
logged.json         epochs logged so far, per logger other than those of W&B, CSV and TensorBoard
decoded_by_pillow.csv  images that the decoders of data.fast=true cannot read, and why
evaluations/        results of checkpoints on the reported images, one file per kind of test: EvaluationRecord of
                    segmentation networks, ClassificationRecord of classifiers, with the list of images (ImageList);
                    and results of `validate` (ValidationRecord)
checkpoints/        best.ckpt and epoch-NNN.ckpt (weights), resume-NNNNNNNNNN.ckpt (full training state)
wandb/              files of the W&B run
log.txt             output of the run, if a sweep on this machine started it
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
"""Prefix of the names of a run's `core_files` among the files of its W&B run.

W&B writes a config.yaml itself, and a run.json below the run folder's wandb/ would count as another run.
"""


class RunFolderError(RecordError):
    """The folder is damaged or is no run folder; the message names the file."""


@dataclass
class RunRecord(Record):
    """The content of `run.json`.

    Attributes:
        id: id of the run, the same in every attempt and in W&B.
        name: `group` and seed.
        group: network, variant and scheme; studies average the runs of a group, which differ in the seed.
        network: timm's name of the network.
        padding: padding scheme in training.
        seed: seed of weights, sample order and augmentation.
        max_epochs: length of the run in epochs.
        monitor: metric, in percent, by which the best epoch is chosen.
        targets: values of `monitor`; studies report the first epoch that reaches each.
        digest: hash of the settings that decide the result.
        digest_rule: 1 if the digest also covers the folder of the data, as in early versions; else 2.
        data_root: folder of the data at the last attempt; "" in records of rule 1.
        data: digest of the training and validation files; "" until they have been read.
        finished: whether the run has reached its end.
        attempts: one entry per start of the program, newest last.
        variant: further difference between runs of one network, such as the split of the data; "" for none.
        max_steps: optimiser steps at which the run ends if that is before `max_epochs`; -1 for no such limit.
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
        # These texts go into pages, file names and command lines; a leading hyphen would be read as an option.
        for name in ("name", "group", "network", "padding", "monitor", "variant"):
            text = str(getattr(self, name))  # a configuration may say null, which the network refuses later
            if not re.fullmatch(r"[^\x00-\x1f\x7f-\x9f]{0,200}", text) or text.startswith("-"):
                raise RecordError(f"{name} is {text[:40]!r}; it must be one line of at most 200 characters, no option")

    @property
    def compared_as(self) -> str:
        """Name by which runs are compared: network and variant, without padding and seed."""
        return f"{self.network}-{self.variant}" if self.variant else self.network


def _within(name: str) -> property:
    """A property of RunFolder that gives the path of the file `name` in it."""

    def path(folder: "RunFolder") -> Path:
        return folder.path / name

    return property(path)


@dataclass(frozen=True)
class RunFolder:
    """Paths and content of a run folder."""

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
        """The files that studies of curves and accuracies need; a run saves them to W&B."""
        return self.record_file, self.config, self.epochs

    def exists(self) -> bool:
        """Returns whether a run was ever started in this folder."""
        return self.record_file.is_file()

    def read_record(self) -> RunRecord:
        """Reads run.json; raises RunFolderError, naming the file, if it is missing or damaged."""
        try:
            return RunRecord.read(self.record_file)
        except (FileNotFoundError, NotADirectoryError):
            raise RunFolderError(f"{self.path} is no run folder: run.json is missing") from None
        except RecordError as error:
            raise RunFolderError(str(error)) from None

    def write_record(self, record: RunRecord) -> None:
        record.write(self.record_file)

    def read_noted(self, path: Path) -> dict[str, str]:
        """Reads `skipped` or `by_pillow`: image to reason; empty if the file is missing or damaged."""
        try:
            # surrogateescape: names of image files need not be UTF-8.
            with open(path, newline="", errors="surrogateescape") as file:
                return {row["image"]: row["error"] for row in csv.DictReader(file)}
        except (OSError, ValueError, KeyError):
            return {}

    def read_rows(self) -> list[Row]:
        """Reads epochs.csv, [] if it is missing; raises RunFolderError, naming the file, if it is damaged."""
        if not self.epochs.is_file():
            return []
        try:
            return read_rows(self.epochs)
        except ValueError as error:
            raise RunFolderError(f"damaged rows: {error}") from None

    def write_rows(self, rows: list[Row]) -> None:
        write_rows(self.epochs, rows)


def find_runs(root: str | Path) -> list[RunFolder]:
    """Finds the run folders at or below `root`, sorted by path; raises RunFolderError if `root` is no folder."""
    root = Path(root)
    if not root.is_dir():
        raise RunFolderError(f"{root} is no folder; give the folder that holds the runs, such as runs/demo")
    return [RunFolder(file.parent) for file in sorted(root.rglob("run.json"))]
