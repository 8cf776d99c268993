"""Writes the predictions of `predict`: a CSV file for a classifier, a folder of pictures for a segmentation network."""

import csv
import io
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.utilities.rank_zero import rank_zero_info

from lightning_modules import SegmentationModule
from lightning_modules.scene_evaluation import share
from records import write_text
from records.atomic import check_writable
from records.errors import UserError
from training.callbacks.overlays import OverlayWriter
from training.settings import PredictionSettings

SHOWN = 5
"""Number of classes listed per image, the most probable first."""


class PredictionWriter(pl.Callback):
    """Writes a line per image: its path, then pairs of class and probability.

    Args:
        output: CSV file to write, which must not exist yet.
    """

    def __init__(self, output: Path) -> None:
        self.output = output
        self._lines: list[list[str]] = []

    def on_predict_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: dict[str, Any], *_: Any
    ) -> None:
        names = trainer.datamodule.class_names
        top = outputs["probabilities"].topk(min(SHOWN, len(names)))
        for path, values, classes in zip(outputs["paths"], top.values.tolist(), top.indices.tolist(), strict=True):
            pairs = [
                text for value, label in zip(values, classes, strict=True) for text in (names[label], f"{value:.6f}")
            ]
            self._lines.append([str(path), *pairs])

    def on_predict_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        columns = max(len(line) for line in self._lines) // 2 if self._lines else 0
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(["path", *(f"{kind}{n + 1}" for n in range(columns) for kind in ("class", "probability"))])
        writer.writerows(self._lines)
        write_text(self.output, text.getvalue())
        rank_zero_info(f"{len(self._lines)} predictions written to {self.output}")


def prediction_writer(model: pl.LightningModule, settings: PredictionSettings) -> pl.Callback:
    """Returns the callback that writes the predictions of `model`.

    Raises:
        UserError: if a setting is out of range, the output exists (nothing is ever overwritten), or cannot be written.
    """
    draws = isinstance(model, SegmentationModule)
    output = settings.output or Path("predictions" if draws else "predictions.csv")
    if output.exists():
        raise UserError(f"{output} exists; move it or say --prediction.output=OTHER{'' if draws else '.csv'}")
    check_writable(output.parent, "choose another --prediction.output")
    if not draws:
        _refuse_drawing(settings)
        return PredictionWriter(output)
    if not 0 <= settings.opacity <= 1:
        raise UserError(f"prediction.opacity is {settings.opacity}; it must be 0 to 1")
    if settings.tiles and model.evaluation.predict_overlap is None:
        raise UserError(
            "prediction.tiles draws the seams of tiles, but the image is predicted whole; set "
            "--model.evaluation.predict_overlap, 0 or 1/3 as in the paper"
        )
    return OverlayWriter(
        output,
        opacity=settings.opacity,
        tiles=settings.tiles,
        leave_out=None if settings.leave_out is None else share("leave_out", settings.leave_out, "prediction"),
        label_ids=settings.label_ids,
    )


def _refuse_drawing(settings: PredictionSettings) -> None:
    for name in ("tiles", "leave_out", "label_ids"):
        if getattr(settings, name):
            raise UserError(f"prediction.{name} is for segmentation networks; leave it out for a classifier")
