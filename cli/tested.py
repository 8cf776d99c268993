"""What `test` of a segmentation network says at its end, and the file that it leaves in the run's folder."""

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning.utilities.rank_zero import rank_zero_only
from rich.console import Console

from cli.provenance import provenance
from lightning_modules import SegmentationModule
from records import RunFolder
from records.evaluation import EvaluationRecord
from studies.segmentation_tables import tables


@rank_zero_only
def show_tables(model: SegmentationModule, checkpoint: Path | None, class_names: tuple[str, ...]) -> None:
    """Prints the tables, and keeps what they follow from, where the checkpoint belongs to a run."""
    record = make_record(model, checkpoint, class_names)
    console = Console()
    # In a pipe the terminal's width is a guess; a table cut off is of no use.
    console = Console(width=None if console.is_terminal else 160)
    for table in tables(record):
        console.print(table)
    folder = run_folder_of(checkpoint)
    if folder is None:
        console.print("Not kept: the checkpoint lies in no run folder.", highlight=False)
        return
    path = folder.evaluations / f"{file_stem(record)}.json"
    record.write(path)
    console.print(f"Kept: {path}", highlight=False, soft_wrap=True)


def make_record(model: SegmentationModule, checkpoint: Path | None, class_names: tuple[str, ...]) -> EvaluationRecord:
    """The results of a finished `test` of `model`."""
    settings, at = model.evaluation, _read_position(checkpoint)
    return EvaluationRecord(
        checkpoint="" if checkpoint is None else checkpoint.name,
        epoch=at.get("epoch", -1),
        step=at.get("global_step", 0),
        network=model.network_name,
        padding=model.padding,
        padding_at_test=model.scheme,
        images=model.tested.images,
        class_names=list(class_names),
        leave_out=[str(proportion) for proportion in model.scenes.leave_out],
        border_scope=settings.border_scope,
        distance_edges=list(settings.distance_edges),
        tile_size=settings.tile_size,
        average=settings.average,
        confusion={mode: counts.tolist() for mode, counts in model.tested.confusion.items()},
        provenance={**provenance(), "command": sys.argv},
    )


def file_stem(record: EvaluationRecord) -> str:
    """Checkpoint, scheme and a hash of how it was tested: the same test replaces its own file and no other."""
    how = {
        "modes": sorted(record.confusion),
        **{
            key: getattr(record, key) for key in ("leave_out", "border_scope", "distance_edges", "tile_size", "average")
        },
        "images": record.images,
    }
    digest = hashlib.sha1(json.dumps(how, sort_keys=True).encode()).hexdigest()
    return f"{Path(record.checkpoint).stem}-{record.padding_at_test}-{digest[:8]}"


def run_folder_of(checkpoint: Path | None) -> RunFolder | None:
    """The run folder that holds `checkpoint` in its checkpoints/, if there is one."""
    if checkpoint is None:
        return None
    folder = RunFolder(checkpoint.resolve().parent.parent)
    return folder if folder.exists() and folder.checkpoints.resolve() == checkpoint.resolve().parent else None


def _read_position(checkpoint: Path | None) -> dict[str, Any]:
    # Mapped, not read: only two numbers of it are wanted.
    return {} if checkpoint is None else torch.load(checkpoint, map_location="cpu", weights_only=True, mmap=True)
