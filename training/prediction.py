"""What `predict` writes, by the kind of network: one CSV file, or a folder of pictures."""

from pathlib import Path

import pytorch_lightning as pl

from lightning_modules import SegmentationModule
from lightning_modules.scene_evaluation import share
from records.atomic import check_writable
from records.errors import UserError
from training import callbacks
from training.settings import PredictionSettings


def prediction_writer(model: pl.LightningModule, settings: PredictionSettings) -> pl.Callback:
    """The callback that writes the predictions of `model`.

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
        return callbacks.PredictionWriter(output)
    if not 0 <= settings.opacity <= 1:
        raise UserError(f"prediction.opacity is {settings.opacity}; it must be 0 to 1")
    if settings.tiles and model.evaluation.predict_overlap is None:
        raise UserError(
            "prediction.tiles draws the seams of tiles, but the image is predicted whole; set "
            "--model.evaluation.predict_overlap, 0 or 1/3 as in the paper"
        )
    return callbacks.OverlayWriter(
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
