"""Image classification: section 4.1 of Partial Convolution based Padding (Liu et al. 2018)."""

from typing import Any

import torch
from torch import nn
from torch.nn.functional import cross_entropy
from torchmetrics import MeanMetric
from torchmetrics.classification import MulticlassAccuracy

from lightning_modules.padded_comparison import PADDED, UNMASKED, Compared, PaddedComparison
from lightning_modules.padded_network import MaskRule, PaddedNetworkModule, compares, reset
from networks import create_network

IGNORED = -1
"""Target of an image that only fills up a batch: it counts in no loss and no metric."""


CROPPED = "cropped"
"""How images are evaluated unless they are shown whole: resized, and the centre cut out."""


class ClassificationModule(PaddedNetworkModule):
    """Any timm model under a padding scheme, trained with the paper's recipe.

    Logs, once an epoch: `train/loss`, `train/acc1`, `val/loss` (mean cross entropy in nats), `val/acc1`, `val/acc5`
    (in percent of the images). Sums run over all processes, and each image counts once, so that the figures do not
    depend on the number of processes. Where `validate` gets whole images too (data.eval_padded), also
    `val_padded/loss` and so on, of these images as `mask_rule` says, and `val_unmasked/...`, of a network that is told
    nothing and takes the zeros beyond an image for part of it; these depend on how large the batches make the canvas.

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
        mask_rule: of whole images on a canvas (data.eval_padded): fixed, each gets what it gets alone; grow, what is
            known grows from layer to layer (Eq. 3), of partial padding only; singly, one by one, for any network.
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
        mask_rule: MaskRule = "fixed",
        channels_last: bool = False,
        compile: bool = False,
    ) -> None:
        built = create_network(network, num_classes, **(network_args or {}))
        super().__init__(built, network, padding, padding_at_test, num_classes, mask_rule, channels_last, compile)
        # The run folder records the configuration; here it only makes load_from_checkpoint work.
        self.save_hyperparameters(logger=False)
        self.milestones = list(milestones)
        self.lr, self.momentum, self.weight_decay = lr, momentum, weight_decay
        self.train_metrics = nn.ModuleDict({"loss": MeanMetric(), "acc1": accuracy(num_classes, 1)})
        self.eval_metrics = self._make_eval_metrics()
        self.comparison: PaddedComparison | None = None
        self.compared: Compared | None = None

    def _make_eval_metrics(self) -> nn.ModuleDict:
        metrics = nn.ModuleDict({"loss": MeanMetric(), "acc1": accuracy(self.num_classes, 1)})
        if self.num_classes > 5:
            metrics["acc5"] = accuracy(self.num_classes, 5)
        return metrics

    def setup(self, stage: str) -> None:
        super().setup(stage)
        compared = stage == "validate" and compares(self.trainer.datamodule)
        self.comparison = PaddedComparison(CROPPED, self._make_eval_metrics) if compared else None

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
        count(self.eval_metrics, logits, targets)
        return logits.argmax(1)

    def validation_step(self, batch: tuple[torch.Tensor, ...]) -> None:
        images, targets, *whole = batch
        classes = self.evaluation_step((images, targets))
        if whole:
            self._compare(classes, targets, *whole)

    def _compare(self, cropped: torch.Tensor, targets: torch.Tensor, images: torch.Tensor, sizes: torch.Tensor) -> None:
        classes = {CROPPED: cropped}
        for way, logits in ((PADDED, self.forward_padded(images, sizes)), (UNMASKED, self(images))):
            count(self.comparison.metrics[way], logits, targets)
            classes[way] = logits.argmax(1)
        counted = targets != IGNORED
        self.comparison.count({way: each[counted, None] for way, each in classes.items()}, targets[counted, None])

    def test_step(self, batch: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
        return self.evaluation_step(batch)

    def on_validation_epoch_start(self) -> None:
        reset(self.eval_metrics)
        if self.comparison:
            self.comparison.reset()

    def on_validation_epoch_end(self) -> None:
        figures = {CROPPED: self._log_epoch("val", self.eval_metrics)}
        if self.comparison:
            for way, metrics in self.comparison.metrics.items():
                figures[way] = self._log_epoch(f"val_{way}", metrics)
            self.compared = self.comparison.compute(figures)

    def on_test_epoch_start(self) -> None:
        reset(self.eval_metrics)

    def on_test_epoch_end(self) -> None:
        self._log_epoch("test", self.eval_metrics)

    def predict_step(self, batch: Any) -> dict[str, Any]:
        """Class probabilities (N, num_classes), and the images' paths where the data gives them."""
        images, paths, *sizes = batch
        logits = self.forward_padded(images, *sizes) if sizes else self(images)
        return {"paths": paths, "probabilities": logits.float().softmax(1).cpu()}

    def _log_epoch(self, stage: str, metrics: nn.ModuleDict) -> dict[str, float]:
        # compute() sums over the processes, so that each of them logs the same value.
        figures = {name: metric.compute() * (1 if name == "loss" else 100) for name, metric in metrics.items()}
        for name, value in figures.items():
            self.log_epoch(f"{stage}/{name}", value, prog_bar=name == "acc1")
        return {name: float(value) for name, value in figures.items()}

    def configure_optimizers(self) -> dict[str, Any]:
        optimizer = torch.optim.SGD(
            self.network.parameters(), lr=self.lr, momentum=self.momentum, weight_decay=self.weight_decay
        )
        schedule = torch.optim.lr_scheduler.MultiStepLR(optimizer, self.milestones, gamma=0.1)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "epoch"}}


def count(metrics: nn.ModuleDict, logits: torch.Tensor, targets: torch.Tensor) -> None:
    """Counts a batch in each metric, without the images that only fill it up."""
    counted = targets != IGNORED
    logits, targets = logits[counted].float(), targets[counted]
    if not len(targets):
        return
    metrics["loss"].update(cross_entropy(logits, targets), weight=len(targets))
    for name in metrics.keys() - {"loss"}:
        metrics[name].update(logits, targets)


def accuracy(num_classes: int, top_k: int) -> MulticlassAccuracy:
    """Share of images whose class is among the `top_k` highest logits."""
    return MulticlassAccuracy(num_classes, top_k=top_k, average="micro")
