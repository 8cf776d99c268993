"""What `test` of a segmentation network says at its end, and the file that it leaves in the run's folder."""

import sys
from pathlib import Path

import torch
from pytorch_lightning.utilities.rank_zero import rank_zero_only
from rich.console import Console

from datamodules import CityscapesDataModule
from lightning_modules import SegmentationModule
from records import RunFolder
from records.errors import UserError
from records.evaluation import EvaluationRecord
from training.checkpoint_tables import tables
from training.provenance import provenance

WIDTH = 160
"""Columns of a table in a pipe, where the width of a terminal would be a guess."""


@rank_zero_only
def keep_and_print(model: SegmentationModule, data: CityscapesDataModule, checkpoint: Path) -> None:
    """Keeps what the tables follow from, where the checkpoint belongs to a run, and prints them.

    Raises:
        UserError: if no image was tested.
    """
    if model.tested is None:
        raise UserError("no image was tested; leave trainer.limit_test_batches out")
    record = make_record(model, data, checkpoint)
    # Kept before it is shown: nothing that goes wrong with a table costs the result.
    kept = keep(record, checkpoint)
    console = Console()
    console = console if console.is_terminal else Console(width=WIDTH)
    for table in tables(record):
        console.print(table)
    console.print(f"Kept: {kept}" if kept else f"Not kept: {checkpoint} lies in no run folder.", soft_wrap=True)


def keep(record: EvaluationRecord, checkpoint: Path) -> Path | None:
    """Writes the record into the run folder that holds `checkpoint`; returns the file, None without such a folder."""
    folder = run_folder_of(checkpoint)
    if folder is None:
        return None
    path = folder.evaluations / record.file_name
    record.write(path)
    return path


def make_record(model: SegmentationModule, data: CityscapesDataModule, checkpoint: Path) -> EvaluationRecord:
    """The results of a finished `test` of `model`."""
    settings = model.evaluation
    # Mapped, not read: only two numbers of it are wanted.
    at = torch.load(checkpoint, map_location="cpu", weights_only=True, mmap=True)
    return EvaluationRecord(
        checkpoint=checkpoint.name,
        epoch=at["epoch"],
        step=at["global_step"],
        network=model.network_name,
        padding=model.padding,
        padding_at_test=model.scheme,
        precision=str(model.trainer.precision),
        dilation=model.dilation,
        data=data.eval_set_key(),
        images=model.tested.images,
        class_names=list(data.class_names),
        leave_out=[str(proportion) for proportion in model.scenes.leave_out],
        border_scope=settings.border_scope,
        distance_edges=list(settings.distance_edges),
        tile_size=settings.tile_size,
        average=settings.average,
        confusion={mode: counts.tolist() for mode, counts in model.tested.confusion.items()},
        provenance={**provenance(), "command": sys.argv},
    )


def run_folder_of(checkpoint: Path) -> RunFolder | None:
    """The run folder that holds `checkpoint` in its checkpoints/, if there is one."""
    folder = RunFolder(checkpoint.resolve().parent.parent)
    return folder if folder.exists() and folder.checkpoints.resolve() == checkpoint.resolve().parent else None
