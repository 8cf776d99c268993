"""Draws predicted segmentations: each image under the colours of its classes (Figures 6 to 8 of the paper)."""

import itertools
import shutil
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
from PIL import Image
from pytorch_lightning.utilities.rank_zero import rank_zero_info

from datamodules.loading.decode import decode_rgb
from evaluation.pictures.class_maps import draw_tiles, leave_out, legend, overlay
from records.atomic import writing

LEGEND, LEGEND_WIDTH = "legend.png", 1024


class OverlayWriter(pl.Callback):
    """Writes a picture per image, with the same paths below `output` as below the folder of images, and a legend.

    The data module provides `predict_folder`, `class_names`, `class_colours` (C, 3) and `label_ids` (C,).

    Args:
        output: folder to write into, which must not exist yet.
        opacity: opacity of the colours over the image, 0 to 1.
        tiles: draw the seams of the tiles of the prediction.
        leave_out: proportion of the centre to shade, as left out in Table 7; None shades nothing.
        label_ids: also write the classes as label ids, one channel of 8 bits, as `NAME_labelIds.png`.
    """

    def __init__(
        self,
        output: Path,
        opacity: float = 0.5,
        tiles: bool = False,
        leave_out: Fraction | None = None,
        label_ids: bool = False,
    ) -> None:
        self.output, self.opacity = output, opacity
        self.tiles, self.proportion, self.label_ids = tiles, leave_out, label_ids
        self._written = 0
        self._taken: set[Path] = {Path(LEGEND)}
        # Written under another name and renamed at the end: a partial folder would block the next attempt.
        self._partial = output.with_name(f".{output.name}.partial")

    def on_predict_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        shutil.rmtree(self._partial, ignore_errors=True)
        data = trainer.datamodule
        colours = np.asarray(data.class_colours, dtype=np.uint8)
        with writing(self.output):
            self._partial.mkdir(parents=True)
            Image.fromarray(legend(data.class_names, colours, LEGEND_WIDTH)).save(self._partial / LEGEND)

    def on_predict_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: dict[str, Any], *_: Any
    ) -> None:
        data = trainer.datamodule
        for path, classes in zip(outputs["paths"], outputs["classes"], strict=True):
            target, ids = (self._partial / name for name in self._names(Path(path).relative_to(data.predict_folder)))
            self._written += 1
            classes = classes.numpy()
            picture = self._picture(path, classes, pl_module, data)
            with writing(self.output):
                target.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(picture).save(target)
                if self.label_ids:
                    Image.fromarray(np.asarray(data.label_ids, dtype=np.uint8)[classes]).save(ids)

    def on_predict_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        with writing(self.output):
            self._partial.rename(self.output)
        rank_zero_info(f"{self._written} pictures written to {self.output}/")

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        shutil.rmtree(self._partial, ignore_errors=True)

    def _names(self, image: Path) -> tuple[Path, Path]:
        """Names of an image's picture and label ids; they include its suffix if another image has taken the names."""
        numbered = (f"{image.name}-{number}" for number in itertools.count(2))
        candidates = (
            (image.with_name(f"{stem}.png"), image.with_name(f"{stem}_labelIds.png"))
            for stem in itertools.chain((image.stem, image.name), numbered)
        )
        names = next(names for names in candidates if not self._taken & set(names))
        self._taken |= set(names)
        return names

    def _picture(self, path: str, classes: np.ndarray, module: pl.LightningModule, data: Any) -> np.ndarray:
        image, colours = np.asarray(decode_rgb(path)), np.asarray(data.class_colours, dtype=np.uint8)
        picture = overlay(image, classes, colours, self.opacity)
        if self.proportion is not None:
            picture = leave_out(picture, module.left_out(*classes.shape, self.proportion).numpy())
        if self.tiles:
            picture = draw_tiles(picture, module.prediction_tiles(*classes.shape))
        return picture
