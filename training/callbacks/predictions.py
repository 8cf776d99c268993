"""Predictions of a folder of images as a CSV file."""

import csv
import io
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.utilities.rank_zero import rank_zero_info

from records import write_text

SHOWN = 5
"""Classes listed an image, the most probable first."""


class PredictionWriter(pl.Callback):
    """Writes one line an image: its path, then pairs of class and probability.

    Args:
        output: the CSV file to write; it must not exist yet.
    """

    def __init__(self, output: Path) -> None:
        self.output = output
        self._lines: list[list[str]] = []

    def on_predict_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: dict[str, Any],
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
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
