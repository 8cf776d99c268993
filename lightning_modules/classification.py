"""Image classification: section 4.1 of Partial Convolution based Padding (Liu et al. 2018)."""

from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.trainer.states import TrainerFn
from torch import nn
from torch.nn.functional import cross_entropy
from torchmetrics import MeanMetric
from torchmetrics.classification import MulticlassAccuracy

from lightning_modules.errors import ModelError
from networks import create_network
from padding import convert_padding

IGNORED = -1
"""Target of an image that only fills up a batch: it counts in no loss and no metric."""


class ClassificationModule(pl.LightningModule):
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
        super().__init__()
        # The run folder records the configuration; here it only makes load_from_checkpoint work.
        self.save_hyperparameters(logger=False)
        self.network_name, self.padding, self.padding_at_test = network, padding, padding_at_test
        self.num_classes, self.milestones = num_classes, list(milestones)
        self.lr, self.momentum, self.weight_decay = lr, momentum, weight_decay
        self.network = create_network(network, num_classes, **(network_args or {}))
        self.padding_report = convert_padding(self.network, padding)
        self.memory_format = torch.channels_last if channels_last else torch.preserve_format
        if channels_last:
            self.network.to(memory_format=torch.channels_last)
        self.compile_network = compile
        self.train_metrics = nn.ModuleDict({"loss": MeanMetric(), "acc1": accuracy(num_classes, 1)})
        self.eval_metrics = nn.ModuleDict({"loss": MeanMetric(), "acc1": accuracy(num_classes, 1)})
        if num_classes > 5:
            self.eval_metrics["acc5"] = accuracy(num_classes, 5)

    def setup(self, stage: str) -> None:
        self.check(stage, self.trainer.datamodule)
        if self.padding_at_test is not None:
            self.padding_report = convert_padding(self.network, self.padding_at_test)
        if self.compile_network:
            # Only now, since the scheme is settled; in place, so that the state dict keeps its keys.
            self.network.compile()

    def check(self, stage: str, data: pl.LightningDataModule | None) -> None:
        """Finds what can be known to be wrong before anything is started.

        Raises:
            ModelError: if `fit` is to use another scheme at test, or the data has another number of classes.
        """
        if stage == "fit" and self.padding_at_test is not None:
            raise ModelError("model.padding_at_test is for validate, test and predict; leave it out of fit")
        found = getattr(data, "num_classes", None)
        if found is not None and found != self.num_classes:
            raise ModelError(
                f"model.num_classes is {self.num_classes}, but the data has {found} classes; "
                f"say --model.num_classes={found}"
            )

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits (N, num_classes) of normalised images (N, 3, H, W)."""
        return self.network(images.contiguous(memory_format=self.memory_format))

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

    def evaluation_step(self, batch: tuple[torch.Tensor, torch.Tensor]) -> None:
        """Counts a batch; images with target -1 fill up a process's last batch and count nowhere."""
        images, targets = batch
        logits = self(images)
        counted = targets != IGNORED
        logits, targets = logits[counted].float(), targets[counted]
        if not len(targets):
            return
        self.eval_metrics["loss"].update(cross_entropy(logits, targets), weight=len(targets))
        for name in self.eval_metrics.keys() - {"loss"}:
            self.eval_metrics[name].update(logits, targets)

    def validation_step(self, batch: tuple[torch.Tensor, torch.Tensor]) -> None:
        self.evaluation_step(batch)

    def test_step(self, batch: tuple[torch.Tensor, torch.Tensor]) -> None:
        self.evaluation_step(batch)

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
        # While fitting, the logger gets its curves from the run folder's rows, each epoch once whatever was repeated
        # after a resume. Alone, validate and test return and print only what goes to a logger.
        to_logger = self.trainer.state.fn != TrainerFn.FITTING
        for name, metric in metrics.items():
            # compute() sums over the processes, so that each of them logs the same value.
            value = metric.compute() * (1 if name == "loss" else 100)
            self.log(f"{stage}/{name}", value, prog_bar=name == "acc1", logger=to_logger)

    def configure_optimizers(self) -> dict[str, Any]:
        optimizer = torch.optim.SGD(
            self.network.parameters(), lr=self.lr, momentum=self.momentum, weight_decay=self.weight_decay
        )
        schedule = torch.optim.lr_scheduler.MultiStepLR(optimizer, self.milestones, gamma=0.1)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "epoch"}}

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["network"], checkpoint["padding"] = self.network_name, self.padding

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Refuses weights of another scheme or network.

        Raises:
            ModelError: saying which option to set; cross testing is `padding_at_test`.
        """
        network, trained_with = checkpoint.get("network"), checkpoint.get("padding")
        if network is not None and network != self.network_name:
            raise ModelError(f"the checkpoint holds {network}, but model.network is {self.network_name}")
        if trained_with is not None and trained_with != self.padding:
            raise ModelError(
                f"the checkpoint was trained with {trained_with} padding, but model.padding is {self.padding}. "
                f"Say --model.padding={trained_with}; to test it under {self.padding} padding on purpose, add "
                f"--model.padding_at_test={self.padding}"
            )


def accuracy(num_classes: int, top_k: int) -> MulticlassAccuracy:
    """Share of images whose class is among the `top_k` highest logits."""
    return MulticlassAccuracy(num_classes, top_k=top_k, average="micro")


def reset(metrics: nn.ModuleDict) -> None:
    for metric in metrics.values():
        metric.reset()
