"""Predicted segmentations as pictures: each image under the colours of its classes (Figures 6 to 8 of the paper)."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
from PIL import Image
from pytorch_lightning.utilities.rank_zero import rank_zero_info

from callbacks.overlay_drawing import draw_tiles, leave_out, legend, overlay
from evaluation import centre_box

LEGEND, LEGEND_WIDTH = "legend.png", 1024


class OverlayWriter(pl.Callback):
    """Writes one picture an image, below `output` as the images lie below the folder of images, and a legend.

    The data module gives `predict_folder`, `class_names`, `class_colours` (C, 3) and `label_ids` (C,).

    Args:
        output: folder to write into; it must not exist yet.
        opacity: of the colours over the image, 0 to 1.
        tiles: draw the seams of the tiles that the prediction was put together from.
        leave_out: shade the centre that Table 7 leaves out at this proportion.
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
        self._taken: set[Path] = {Path(LEGEND)}

    def on_predict_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.output.mkdir(parents=True)
        data = trainer.datamodule
        colours = np.asarray(data.class_colours, dtype=np.uint8)
        Image.fromarray(legend(data.class_names, colours, LEGEND_WIDTH)).save(self.output / LEGEND)

    def on_predict_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: dict[str, Any],
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        data = trainer.datamodule
        for path, classes in zip(outputs["paths"], outputs["classes"], strict=True):
            target = self.output / self._name(Path(path).relative_to(data.predict_folder))
            target.parent.mkdir(parents=True, exist_ok=True)
            classes = classes.numpy()
            Image.fromarray(self._picture(path, classes, pl_module, data)).save(target)
            if self.label_ids:
                ids = np.asarray(data.label_ids, dtype=np.uint8)[classes]
                Image.fromarray(ids).save(target.with_name(f"{target.stem}_labelIds.png"))

    def on_predict_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        rank_zero_info(f"{len(self._taken) - 1} pictures written to {self.output}/")

    def _name(self, image: Path) -> Path:
        # Two images that differ in their endings only keep them.
        name = image.with_suffix(".png")
        name = image.with_name(f"{image.name}.png") if name in self._taken else name
        self._taken.add(name)
        return name

    def _picture(self, path: str, classes: np.ndarray, module: pl.LightningModule, data: Any) -> np.ndarray:
        with Image.open(path) as file:
            image = np.asarray(file.convert("RGB"))
        picture = overlay(image, classes, np.asarray(data.class_colours, dtype=np.uint8), self.opacity)
        if self.proportion is not None:
            picture = leave_out(picture, centre_box(*classes.shape, self.proportion))
        if self.tiles:
            picture = draw_tiles(picture, module.prediction_tiles(*classes.shape))
        return picture
