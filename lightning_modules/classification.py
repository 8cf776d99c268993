"""Image classification: section 4.1 of Partial Convolution based Padding (Liu et al. 2018)."""

from typing import Any

import torch
from torch import nn
from torch.nn.functional import cross_entropy
from torchmetrics import MeanMetric
from torchmetrics.classification import MulticlassAccuracy

from lightning_modules.padded_network import PaddedNetworkModule, reset
from networks import create_network

IGNORED = -1
"""Target of an image that only fills up a batch: it counts in no loss and no metric."""


class ClassificationModule(PaddedNetworkModule):
    """Any timm model under a padding scheme, trained with the paper's recipe.

    Logs, once an epoch: `train/loss`, `train/acc1`, `val/loss` (mean cross entropy in nats), `val/acc1`, `val/acc5`
    (in percent of the images). Sums run over all processes, and each image counts once, so that the figures do not
    depend on the number of processes.

    Args:
        network: timm model name; resnet50, resnet101, resnet152, vgg16_bn and vgg19_bn are set up as torchvision's,
            which the paper trained.
        padding: scheme of every padded convolution while training: zero, partial, reflect, replicate, circular, or one
            that was registered.
        num_classes: number of logits; it must equal the data's.
        padding_at_test: scheme of validate, test and predict where it differs from the one of training (cross testing,
            Table 4 of the paper).
        lr: learning rate of SGD at the start.
        momentum: of SGD.
        weight_decay: of SGD, on all parameters.
        milestones: epochs before which the learning rate is divided by 10.
        network_args: further arguments of timm.create_model, such as {drop_rate: 0.1} or {pretrained: true}.
        channels_last: keep weights and images in channels-last memory order (faster on most GPUs).
        compile: run the network through torch.compile.

    Raises:
        NetworkError: if timm does not know the network or its arguments.
        PaddingError: if the scheme is unknown or cannot be applied to this network.
    """

    monitor = "val/acc1"

    def __init__(
        self,
        network: str = "resnet50",
        padding: str = "zero",
        num_classes: int = 1000,
        padding_at_test: str | None = None,
        lr: float = 0.1,
        momentum: float = 0.9,
        weight_decay: float = 1e-4,
        milestones: list[int] = (30, 60, 90),
        network_args: dict[str, Any] | None = None,
        channels_last: bool = False,
        compile: bool = False,
    ) -> None:
        built = create_network(network, num_classes, **(network_args or {}))
        super().__init__(built, network, padding, padding_at_test, num_classes, channels_last, compile)
        # The run folder records the configuration; here it only makes load_from_checkpoint work.
        self.save_hyperparameters(logger=False)
        self.milestones = list(milestones)
        self.lr, self.momentum, self.weight_decay = lr, momentum, weight_decay
        self.train_metrics = nn.ModuleDict({"loss": MeanMetric(), "acc1": accuracy(num_classes, 1)})
        self.eval_metrics = nn.ModuleDict({"loss": MeanMetric(), "acc1": accuracy(num_classes, 1)})
        if num_classes > 5:
            self.eval_metrics["acc5"] = accuracy(num_classes, 5)

    def training_step(self, batch: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
        images, targets = batch
        logits = self(images)
        loss = cross_entropy(logits, targets)
        with torch.no_grad():
            self.train_metrics["loss"].update(loss, weight=len(targets))
            self.train_metrics["acc1"].update(logits, targets)
        self.log("train/loss_step", loss.detach(), prog_bar=True, logger=False, on_step=True, on_epoch=False)
        return loss

    def on_train_epoch_start(self) -> None:
        # Not in mid-epoch: Lightning skips this hook when it resumes there, and the restored sums stay.
        reset(self.train_metrics)

    def on_train_epoch_end(self) -> None:
        self._log_epoch("train", self.train_metrics)

    def evaluation_step(self, batch: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
        """Counts a batch; images with target -1 fill up a process's last batch and count nowhere.

        Returns:
            The predicted class of each image (N,) int64.
        """
        images, targets = batch
        logits = self(images)
        self._count(logits, targets)
        return logits.argmax(1)

    def _count(self, logits: torch.Tensor, targets: torch.Tensor) -> None:
        counted = targets != IGNORED
        logits, targets = logits[counted].float(), targets[counted]
        if not len(targets):
            return
        self.eval_metrics["loss"].update(cross_entropy(logits, targets), weight=len(targets))
        for name in self.eval_metrics.keys() - {"loss"}:
            self.eval_metrics[name].update(logits, targets)

    def validation_step(self, batch: tuple[torch.Tensor, torch.Tensor]) -> None:
        self.evaluation_step(batch)

    def test_step(self, batch: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
        return self.evaluation_step(batch)

    def on_validation_epoch_start(self) -> None:
        reset(self.eval_metrics)

    def on_validation_epoch_end(self) -> None:
        self._log_epoch("val", self.eval_metrics)

    def on_test_epoch_start(self) -> None:
        reset(self.eval_metrics)

    def on_test_epoch_end(self) -> None:
        self._log_epoch("test", self.eval_metrics)

    def predict_step(self, batch: Any) -> dict[str, Any]:
        """Class probabilities (N, num_classes), and the images' paths where the data gives them."""
        images, paths = batch
        return {"paths": paths, "probabilities": self(images).float().softmax(1).cpu()}

    def _log_epoch(self, stage: str, metrics: nn.ModuleDict) -> None:
        for name, metric in metrics.items():
            # compute() sums over the processes, so that each of them logs the same value.
            value = metric.compute() * (1 if name == "loss" else 100)
            self.log_epoch(f"{stage}/{name}", value, prog_bar=name == "acc1")

    def configure_optimizers(self) -> dict[str, Any]:
        optimizer = torch.optim.SGD(
            self.network.parameters(), lr=self.lr, momentum=self.momentum, weight_decay=self.weight_decay
        )
        schedule = torch.optim.lr_scheduler.MultiStepLR(optimizer, self.milestones, gamma=0.1)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "epoch"}}


def accuracy(num_classes: int, top_k: int) -> MulticlassAccuracy:
    """Share of images whose class is among the `top_k` highest logits."""
    return MulticlassAccuracy(num_classes, top_k=top_k, average="micro")
