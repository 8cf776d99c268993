"""Image classification: section 4.1 of Partial Convolution based Padding (Liu et al. 2018).

https://arxiv.org/abs/1811.11718
"""

import math
from collections.abc import Sequence
from functools import partial
from itertools import pairwise
from typing import Any

import pytorch_lightning as pl
import torch
from timm.data import Mixup
from torch.nn.functional import cross_entropy

from lightning_modules.errors import checked
from lightning_modules.exact_mean import EpochMetrics, ExactMean
from lightning_modules.padded_network import PaddedNetworkModule, unpack
from networks import create_network

IGNORED_TARGET = -1
"""Target of a stand-in image, which fills a process's last batch; losses and metrics ignore it."""


class ClassificationModule(PaddedNetworkModule):
    """Any timm model under a padding scheme, trained with the paper's recipe unless `--optimizer` sets another one.

    Logs per epoch: `train/loss`, `train/acc1`, `val/loss` (mean cross entropy in nats), `val/acc1`, `val/acc5` (in
    percent of the images). Sums run over all processes, and each image counts once, so that the metrics do not depend
    on the number of processes. `validate` with data.eval_padded logs the same metrics of padded batches; with the mask
    rules grow and none they depend on the images that share a batch.

    Args:
        network: timm model name; resnet50, resnet101, resnet152, vgg16_bn and vgg19_bn are set up as torchvision's,
            which the paper trained.
        padding, num_classes, lr: as in PaddedNetworkModule, and so are the further arguments, `shared`.
        milestones: epochs (from 0) at whose start the learning rate is divided by 10.
        network_args: further arguments of timm.create_model, such as {drop_rate: 0.1} or {pretrained: true}.
        label_smoothing: share of the training target spread evenly over all classes; none in the paper's recipe.
        mixup: alpha of timm's mixup in training (Zhang et al. 2018); none in the paper's recipe.
        cutmix: alpha of timm's cutmix in training (Yun et al. 2019); if mixup is set too, each batch gets one of them.

    Raises:
        NetworkError: if timm does not know the network or its arguments.
        PaddingError: if the scheme is unknown or cannot be applied to this network.
    """

    monitor = "val/acc1"

    def __init__(
        self,
        network: str = "resnet50",
        padding: str | dict[str, str] = "zero",
        num_classes: int = 1000,
        lr: float = 0.1,
        milestones: list[int] = (30, 60, 90),
        network_args: dict[str, Any] | None = None,
        label_smoothing: float | None = None,
        mixup: float | None = None,
        cutmix: float | None = None,
        **shared: Any,
    ) -> None:
        rising = all(first < second for first, second in pairwise([0, *milestones]))
        checked("milestones", milestones, rising, "rising numbers of epochs from 1 on, such as [30, 60, 90]")
        smoothing = label_smoothing or 0.0
        checked("label_smoothing", label_smoothing, 0 <= smoothing < 1, "from 0 to below 1")
        for name, alpha in (("mixup", mixup), ("cutmix", cutmix)):
            checked(name, alpha, 0 <= (alpha or 0.0) < math.inf, "a number from 0 on")
        extra = network_args or {}
        instead = {"num_classes": "left out; say --model.num_classes", "in_chans": "left out: images have 3"}
        for name, todo in instead.items():
            checked(f"network_args.{name}", extra.get(name), name not in extra, todo)
        make = partial(create_network, network, num_classes, **extra)
        super().__init__(make, network, padding, num_classes, lr, **shared)
        # Only for load_from_checkpoint: the configuration itself is in the run folder.
        self.save_hyperparameters(logger=False)
        self.milestones = list(milestones)
        self.label_smoothing = smoothing
        self.mix: Mixup | None = None
        if mixup or cutmix:
            # timm draws from NumPy's generator, which KeyedRandomness reseeds before each batch: a resume stays exact.
            alphas = {"mixup_alpha": mixup or 0.0, "cutmix_alpha": cutmix or 0.0}
            self.mix = Mixup(**alphas, label_smoothing=smoothing, num_classes=num_classes)
        self.train_metrics = ImageMetrics((1,))
        self.eval_metrics = ImageMetrics((1, 5) if num_classes > 5 else (1,))

    def check(self, stage: str, data: pl.LightningDataModule | None) -> None:
        """As PaddedNetworkModule.check; also raises ModelError for batches that cannot be mixed in pairs."""
        super().check(stage, data)
        if stage == "fit" and self.mix is not None:
            processes = data.trainer.world_size
            checked(
                "mixup or model.cutmix",
                self.mix.mixup_alpha or self.mix.cutmix_alpha,
                data.batch_size // processes % 2 == 0,
                f"left out, or data.batch_size / {processes} processes even: images are mixed in pairs",
            )

    def metrics(self, class_names: Sequence[str]) -> list[str]:
        """Names of the metrics that `fit` logs for data with these classes."""
        stages = {"train": self.train_metrics, "val": self.eval_metrics}
        return [f"{stage}/{name}" for stage, each in stages.items() for name, _ in each.named_children()]

    def training_step(self, batch: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
        images, targets = batch
        if self.mix is None:
            logits = self(images)
            loss = cross_entropy(logits, targets, label_smoothing=self.label_smoothing)
        else:
            images, shares = self.mix(images, targets)
            logits = self(images)
            loss = cross_entropy(logits, shares)
        with torch.no_grad():
            self.train_metrics.update(logits, targets, loss)
        return loss

    def evaluation_step(self, batch: Any) -> torch.Tensor:
        """Adds a batch (images, targets), or a PaddedBatch, to the metrics; images with target -1 are stand-ins.

        Returns:
            The predicted class of each image (N,) int64.
        """
        images, targets, sizes = unpack(batch)
        logits = self.forward_padded(images, sizes)
        # float32, since logits are in half precision under autocast.
        self.eval_metrics.update(logits.float(), targets)
        classes = logits.argmax(1)
        self.count_images(classes == targets, targets != IGNORED_TARGET)
        return classes

    def validation_step(self, batch: Any) -> None:
        self.evaluation_step(batch)

    def test_step(self, batch: Any) -> torch.Tensor:
        return self.evaluation_step(batch)

    def predict_step(self, batch: Any) -> dict[str, Any]:
        """Class probabilities (N, num_classes), and the paths of the images as the data gives them."""
        images, paths, sizes = unpack(batch)
        logits = self.forward_padded(images, sizes)
        return {"paths": paths, "probabilities": logits.float().softmax(1).cpu()}

    def configure_optimizers(self) -> dict[str, Any]:
        optimizer = self.make_sgd()
        schedule = torch.optim.lr_scheduler.MultiStepLR(optimizer, self.milestones, gamma=0.1)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "epoch"}}


class ImageMetrics(EpochMetrics):
    """Mean loss, and top-k accuracy for each k of `top`; updates do not synchronise with the device."""

    def __init__(self, top: tuple[int, ...]) -> None:
        super().__init__(loss=ExactMean(), **{f"acc{k}": ExactMean() for k in top})
        self.top = top

    def update(self, logits: torch.Tensor, targets: torch.Tensor, loss: torch.Tensor | None = None) -> None:
        """Adds the logits (N, num_classes) of images whose target is not IGNORED_TARGET.

        Args:
            loss: mean cross entropy of the images if it is known already; then no target may be IGNORED_TARGET.
        """
        counted = targets != IGNORED_TARGET
        if loss is None:
            losses = cross_entropy(logits, targets, reduction="none", ignore_index=IGNORED_TARGET)
            self.loss.update(losses, weight=counted)
        else:
            self.loss.update(loss, weight=len(targets))
        for k in self.top:
            # argmax takes the first of equal logits, topk any of them, so acc1 is deterministic.
            classes = logits.argmax(1, keepdim=True) if k == 1 else logits.topk(k).indices
            right = (classes == targets[:, None]).any(1)
            getattr(self, f"acc{k}").update(right.float(), weight=counted)

    def compute(self) -> dict[str, float]:
        """`loss` in nats, `acc1` and `acc5` in percent."""
        return {name: value * (1 if name == "loss" else 100) for name, value in super().compute().items()}
