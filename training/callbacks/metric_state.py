"""Sums of an unfinished epoch's metrics, kept in checkpoints: Lightning keeps none of them."""

from typing import Any

import pytorch_lightning as pl
import torch
from torchmetrics import Metric


class MetricState(pl.Callback):
    """Saves the state of each torchmetrics metric of the module, and gives each process its own back.

    Saving gathers from all processes: a checkpoint must be saved on all of them, as Trainer.save_checkpoint does.
    """

    def __init__(self) -> None:
        self._restored: list[dict[str, Any]] | None = None

    def on_save_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        mine = {name: _state(metric) for name, metric in _metrics(pl_module)}
        checkpoint["metric_states"] = _gather(mine, trainer.world_size)

    def on_load_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        self._restored = checkpoint.get("metric_states")

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if self._restored is None:
            return
        mine = self._restored[trainer.global_rank]
        for name, metric in _metrics(pl_module):
            if name in mine:
                _restore(metric, mine[name])
        self._restored = None


def _metrics(module: pl.LightningModule) -> list[tuple[str, Metric]]:
    return [(name, child) for name, child in module.named_modules() if isinstance(child, Metric)]


def _state(metric: Metric) -> dict[str, Any]:
    # Clones: a metric's state is updated in place while the checkpoint may still be written.
    values = {name: getattr(metric, name).detach().cpu().clone() for name in metric._defaults}
    return {"updates": metric._update_count, "values": values}


def _restore(metric: Metric, state: dict[str, Any]) -> None:
    for name, value in state["values"].items():
        setattr(metric, name, value.to(metric.device))
    metric._update_count = state["updates"]
    metric._computed = None


def _gather(mine: dict[str, Any], world_size: int) -> list[dict[str, Any]]:
    if world_size == 1:
        return [mine]
    everyone: list[Any] = [None] * world_size
    torch.distributed.all_gather_object(everyone, mine)
    return everyone
