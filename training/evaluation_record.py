"""Writes the records of `validate` and `test`, and prints the tables of `test` for a segmentation network.

The tables are Tables 5 to 7 for one checkpoint (sections 4.2 and 4.2.1 of Partial Convolution based Padding, Liu et al.
2018), IoU by class and mIoU by distance to the border, in percent, all from an EvaluationRecord's confusion matrices.
"""

import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.utilities.rank_zero import rank_zero_info, rank_zero_only
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from datamodules import CityscapesDataModule
from evaluation import class_iou, distance_miou, leave_out_miou, mean_iou
from lightning_modules import SegmentationModule
from lightning_modules.padded_network import PaddedNetworkModule
from records import RunFolder
from records.atomic import check_writable, remove_leftovers
from records.errors import UserError
from records.evaluation import REGULAR, EvaluationRecord
from records.validation import ValidationRecord
from training.provenance import provenance

Counts = dict[str, torch.Tensor]
"""Maps a prediction mode, such as `regular` or `tiled_1-3`, to its counts (bands, bins, C, C)."""

WIDTH = 160
"""Columns of a table that is written to a pipe or file, which has no terminal width."""


@rank_zero_only
def keep_and_print(model: SegmentationModule, data: CityscapesDataModule, checkpoint: Path) -> None:
    """Writes the record of a `test` into the checkpoint's run folder, and prints its tables.

    Raises:
        UserError: if no image was tested.
    """
    if model.tested is None:
        raise UserError("no image was tested; leave trainer.limit_test_batches out")
    record = make_record(model, data, checkpoint)
    # Written before the tables are printed, so that an error in a table does not lose the result.
    kept = keep(record, checkpoint)
    console = Console()
    console = console if console.is_terminal else Console(width=WIDTH)
    for table in tables(record):
        console.print(table)
    console.print(f"Kept: {kept}" if kept else f"Not kept: {checkpoint} lies in no run folder.", soft_wrap=True)


def keep(record: EvaluationRecord | ValidationRecord, checkpoint: Path) -> Path | None:
    """Writes the record into the run folder of `checkpoint`; returns the file, or None without such a folder."""
    folder = run_folder_of(checkpoint)
    if folder is None:
        return None
    path = folder.evaluations / record.file_name
    record.write(path)
    remove_leftovers(folder.evaluations)
    return path


def keeps_validation(trainer: pl.Trainer, model: pl.LightningModule, data: pl.LightningDataModule) -> bool:
    """Returns whether `validate` keeps a record: only for all images of the suite's own data and networks."""
    limit = trainer.limit_val_batches
    limited = isinstance(limit, int) or limit < 1  # 1 is a single batch, 1.0 all of them
    if limited or not isinstance(model, PaddedNetworkModule):
        return False
    if not hasattr(data, "validation_key"):
        rank_zero_info(f"no record will be kept: {type(data).__name__} has no validation_key, which names its images")
        return False
    return True


def check_keeping(checkpoint: Path) -> None:
    """Raises UserError if no record can be written into the run folder of `checkpoint`; called before any computing."""
    if folder := run_folder_of(checkpoint):
        check_writable(folder.evaluations, f"a copy of {checkpoint.name} elsewhere can be evaluated, keeping no record")


def keep_validation(model: PaddedNetworkModule, data: pl.LightningDataModule, checkpoint: Path) -> None:
    """Writes the record of a `validate` into the checkpoint's run folder; does nothing without such a folder."""
    if run_folder_of(checkpoint) is None or not model.trainer.is_global_zero:
        return
    record = make_validation_record(model, data, checkpoint)
    Console(width=WIDTH).print(f"Kept: {keep(record, checkpoint)}", soft_wrap=True)


def make_validation_record(
    model: PaddedNetworkModule, data: pl.LightningDataModule, checkpoint: Path
) -> ValidationRecord:
    """Makes the record of a finished `validate` of `model`."""
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
    """Makes the record of a finished `test` of `model`."""
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
    """The fields that all records share: what was evaluated, and by which program."""
    epoch, step = model.loaded
    return {
        "checkpoint": checkpoint.name,
        "epoch": epoch,
        "step": step,
        "network": model.network_name,
        "padding": model.padding,
        "padding_at_test": model.scheme,
        "precision": str(model.trainer.precision),
        "provenance": provenance(),
    }


def run_folder_of(checkpoint: Path) -> RunFolder | None:
    """Returns the run folder that has `checkpoint` in its checkpoints/; None if there is none."""
    folder = RunFolder(checkpoint.resolve().parent.parent)
    return folder if folder.exists() and folder.checkpoints.resolve() == checkpoint.resolve().parent else None


def tables(record: EvaluationRecord) -> list[Table]:
    """Makes all tables: the paper's first, in its order, then IoU by class and mIoU by distance."""
    counts = {mode: torch.as_tensor(each, dtype=torch.int64) for mode, each in record.confusion.items()}
    return [_whole(counts), _border(record, counts), _classes(record, counts), _distance(record, counts)]


def _whole(counts: Counts) -> Table:
    rows = [(_words(mode), [mean_iou(each.sum((0, 1)))]) for mode, each in counts.items()]
    return _table("mIoU, regular and tiled (Tables 5 and 6)", ["prediction", "mIoU"], rows)


def _border(record: EvaluationRecord, counts: Counts) -> Table:
    of_tiles = record.border_scope == "tile"
    # If tiles overlap, a pixel lies in several tiles, so its bands are those of the image.
    shown = {mode: each for mode, each in counts.items() if mode == "tiled_0" or not of_tiles}
    rows = [(_words(mode), leave_out_miou(each.sum(1))) for mode, each in shown.items()]
    centre = "each tile" if of_tiles else "the image"
    return _table(f"mIoU without the centre of {centre} (Table 7)", ["leave-out", *record.leave_out], rows)


def _classes(record: EvaluationRecord, counts: Counts) -> Table:
    found = [class_iou(each.sum((0, 1))).tolist() for each in counts.values()]
    rows = zip(record.class_names, zip(*found, strict=True), strict=True)
    return _table("IoU by class", ["class", *map(_words, counts)], rows)


def _distance(record: EvaluationRecord, counts: Counts) -> Table:
    title = "mIoU by distance to the nearest border, of the image or, in tiles, of the tile"
    curves = [distance_miou(each.sum(0), record.distance_edges) for each in counts.values()]
    rows = [(name, [curve[name] for curve in curves]) for name in curves[0]]
    return _table(title, ["pixels", *map(_words, counts)], rows)


def _table(title: str, columns: Sequence[str], rows: Iterable[tuple[str, Iterable[float]]]) -> Table:
    """Makes a table of shares in percent with the paper's three decimals; `-` for a class or bin without pixels."""
    table = Table(title=title, title_justify="left", title_style="bold", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for number, name in enumerate(columns):
        table.add_column(name, justify="right" if number else "left", no_wrap=True)
    for heading, shares in rows:
        table.add_row(heading, *("-" if math.isnan(share) else f"{100 * share:.3f}" for share in shares))
    return table


def _words(mode: str) -> str:
    """`tiled, overlap 1/3` for the mode `tiled_1-3`."""
    return mode if mode == REGULAR else f"tiled, overlap {mode.removeprefix('tiled_').replace('-', '/')}"
