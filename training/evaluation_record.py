"""Records of `validate` and `test` in the run's folder, and the tables that `test` of a segmentation network prints."""

import sys
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.utilities.rank_zero import rank_zero_only
from rich.console import Console

from datamodules import CityscapesDataModule
from lightning_modules import SegmentationModule
from lightning_modules.padded_network import PaddedNetworkModule
from records import RunFolder
from records.atomic import check_writable, remove_leftovers
from records.errors import UserError
from records.evaluation import EvaluationRecord
from records.validation import ValidationRecord
from training.checkpoint_tables import tables
from training.provenance import provenance

WIDTH = 160
"""Columns of a table in a pipe, where the width of a terminal would be a guess."""


@rank_zero_only
def keep_and_print(model: SegmentationModule, data: CityscapesDataModule, checkpoint: Path) -> None:
    """Writes the record of a `test` into the checkpoint's run folder, and prints its tables.

    Raises:
        UserError: if no image was tested.
    """
    if model.tested is None:
        raise UserError("no image was tested; leave trainer.limit_test_batches out")
    record = make_record(model, data, checkpoint)
    # Written before it is shown, so that a failing table does not cost the result.
    kept = keep(record, checkpoint)
    console = Console()
    console = console if console.is_terminal else Console(width=WIDTH)
    for table in tables(record):
        console.print(table)
    console.print(f"Kept: {kept}" if kept else f"Not kept: {checkpoint} lies in no run folder.", soft_wrap=True)


def keep(record: EvaluationRecord | ValidationRecord, checkpoint: Path) -> Path | None:
    """Writes the record into the run folder that holds `checkpoint`; returns the file, None without such a folder."""
    folder = run_folder_of(checkpoint)
    if folder is None:
        return None
    path = folder.evaluations / record.file_name
    record.write(path)
    remove_leftovers(folder.evaluations)
    return path


def keeps_validation(trainer: pl.Trainer, model: pl.LightningModule, data: pl.LightningDataModule) -> bool:
    """Whether a `validate` leaves a record: only of all images of the suite's own data and networks."""
    limit = trainer.limit_val_batches
    limited = isinstance(limit, int) or limit < 1  # 1 is a single batch, 1.0 all of them
    return not limited and hasattr(data, "validation_key") and isinstance(model, PaddedNetworkModule)


def check_keeping(checkpoint: Path) -> None:
    """Raises UserError, before anything is computed, if the run folder that holds `checkpoint` takes no record."""
    if folder := run_folder_of(checkpoint):
        check_writable(folder.evaluations, f"a copy of {checkpoint.name} elsewhere can be evaluated, keeping no record")


def keep_validation(model: PaddedNetworkModule, data: pl.LightningDataModule, checkpoint: Path) -> None:
    """Writes the record of a `validate` into the checkpoint's run folder; without such a folder it does nothing."""
    if run_folder_of(checkpoint) is None or not model.trainer.is_global_zero:
        return
    record = make_validation_record(model, data, checkpoint)
    Console(width=WIDTH).print(f"Kept: {keep(record, checkpoint)}", soft_wrap=True)


def make_validation_record(
    model: PaddedNetworkModule, data: pl.LightningDataModule, checkpoint: Path
) -> ValidationRecord:
    """The results of a finished `validate` of `model`."""
    metrics = {name: float(value) for name, value in model.trainer.callback_metrics.items()}
    right, predictions = model.image_counts.numpy().T
    return ValidationRecord(
        **_origin(model, checkpoint),
        data=data.validation_key(),
        shown=model.shown,
        mask_rule=model.mask_rule if model.shown == "padded" else None,
        metrics={name.removeprefix("val/"): value for name, value in metrics.items() if name.count("/") == 1},
        right=right,
        predictions=predictions,
    )


def make_record(model: SegmentationModule, data: CityscapesDataModule, checkpoint: Path) -> EvaluationRecord:
    """The results of a finished `test` of `model`."""
    settings = model.evaluation
    return EvaluationRecord(
        **_origin(model, checkpoint),
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
    )


def _origin(model: PaddedNetworkModule, checkpoint: Path) -> dict[str, Any]:
    """The fields of a record that say what was evaluated, by which program."""
    epoch, step = model.loaded
    return {
        "checkpoint": checkpoint.name,
        "epoch": epoch,
        "step": step,
        "network": model.network_name,
        "padding": model.padding,
        "padding_at_test": model.scheme,
        "precision": str(model.trainer.precision),
        "provenance": {**provenance(), "command": sys.argv},
    }


def run_folder_of(checkpoint: Path) -> RunFolder | None:
    """The run folder that holds `checkpoint` in its checkpoints/, if there is one."""
    folder = RunFolder(checkpoint.resolve().parent.parent)
    return folder if folder.exists() and folder.checkpoints.resolve() == checkpoint.resolve().parent else None
