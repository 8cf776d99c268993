"""Semantic segmentation: sections 4.2 and 4.2.1 of Partial Convolution based Padding (Liu et al. 2018)."""

import hashlib
import math
from fractions import Fraction
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.utilities.rank_zero import rank_zero_warn
from timm.layers import convert_sync_batchnorm
from torch import nn
from torch.nn.functional import cross_entropy
from torchmetrics import MeanMetric

from evaluation import Box, class_iou, leave_out_bands, mean_iou, predict_tiled, predict_whole, tile_boxes
from lightning_modules.confusion import GroupedConfusion
from lightning_modules.errors import ModelError
from lightning_modules.evaluation_settings import EvaluationSettings, share
from lightning_modules.padded_comparison import PADDED, UNMASKED, Compared, PaddedComparison
from lightning_modules.padded_network import MaskRule, PaddedNetworkModule, compares, reset
from lightning_modules.scene_evaluation import REGULAR, SceneEvaluation, Tested
from networks import DeepLabV3Plus, load_encoder_weights

IGNORED = 255
"""Target of a pixel that counts in no loss and no metric."""

ALONE = "alone"
"""How images are evaluated unless several share a canvas: each whole, by itself."""

POWER = 1.0
"""Of the polynomial decay, section 4.2."""


class SegmentationModule(PaddedNetworkModule):
    """DeepLabV3+ on any timm encoder under a padding scheme, trained with the paper's recipe.

    Logs, once an epoch: `train/loss`, `val/loss` (mean cross entropy a pixel in nats), `val/miou`, and `val/iou/CLASS`
    of each class that occurs (percent, from one confusion matrix over all images and processes: each counts once). The
    learning rate falls to 0 in a straight line over the steps of the run, at every step. With several processes on
    GPUs batch normalisation is synchronised; on CPUs torch cannot, and each process normalises its own share.

    Where `validate` gets several images on one canvas (data.eval_padded), each is counted alone, as ever, and also
    `val_padded/loss` and `val_padded/miou` are logged, of the canvas as `mask_rule` says, and `val_unmasked/...`, of a
    network that is told nothing and takes the zeros beyond an image for part of it.

    Args:
        encoder: timm model name of the trunk; the paper's are resnet50 and wide_resnet38.
        padding: scheme of every padded convolution while training: zero, partial, reflect, replicate, circular, or one
            that was registered.
        num_classes: number of classes; it must equal the data's.
        output_stride: of the encoder, 8 (the paper's) or 16.
        padding_at_test: scheme of validate, test and predict where it differs from the one of training.
        lr: learning rate of SGD at the start; the paper's is 0.03 for resnet50, 0.01 for wide_resnet38.
        momentum: of SGD.
        weight_decay: of SGD, on all parameters.
        encoder_weights: where the trunk's weights come from: "timm" (its pretrained ones), or a checkpoint of a
            ClassificationModule; null starts at random (Table 5 of the paper says from scratch).
        encoder_args: further arguments of timm.create_model.
        head_channels: channels of each branch of the ASPP and of the decoder.
        skip_channels: channels of the reduced skip connection.
        atrous_rates: dilations of the ASPP; null: 12, 24, 36 at output stride 8, half of it at 16.
        evaluation: how `test` and `predict` go about it.
        mask_rule: of whole images on a canvas (data.eval_padded): fixed, each gets what it gets alone; grow, what is
            known grows from layer to layer (Eq. 3), of partial padding only; singly, one by one, for any network.
        channels_last: keep weights and images in channels-last memory order (faster on most GPUs).
        compile: run the network through torch.compile.

    Raises:
        NetworkError: if timm does not know the encoder, or it cannot be one.
        PaddingError: if the scheme is unknown or cannot be applied to this network.
    """

    monitor = "val/miou"
    name_option = "model.encoder"

    def __init__(
        self,
        encoder: str = "resnet50",
        padding: str = "zero",
        num_classes: int = 19,
        output_stride: int = 8,
        padding_at_test: str | None = None,
        lr: float = 0.03,
        momentum: float = 0.9,
        weight_decay: float = 1e-4,
        encoder_weights: str | None = None,
        encoder_args: dict[str, Any] | None = None,
        head_channels: int = 256,
        skip_channels: int = 48,
        atrous_rates: list[int] | None = None,
        evaluation: EvaluationSettings | None = None,
        mask_rule: MaskRule = "fixed",
        channels_last: bool = False,
        compile: bool = False,
    ) -> None:
        network = DeepLabV3Plus(
            encoder,
            num_classes,
            output_stride,
            head_channels=head_channels,
            skip_channels=skip_channels,
            atrous_rates=atrous_rates,
            encoder_args=encoder_args,
        )
        name = f"deeplabv3plus-{encoder}"
        super().__init__(network, name, padding, padding_at_test, num_classes, mask_rule, channels_last, compile)
        # The run folder records the configuration; here it only makes load_from_checkpoint work.
        self.save_hyperparameters(logger=False)
        self.encoder, self.encoder_weights = encoder, encoder_weights
        self.dilation = describe_dilation(network)
        self.lr, self.momentum, self.weight_decay = lr, momentum, weight_decay
        self.evaluation = evaluation or EvaluationSettings()
        self.train_metrics = nn.ModuleDict({"loss": MeanMetric()})
        self.eval_metrics = self._make_eval_metrics()
        self.comparison: PaddedComparison | None = None
        self.compared: Compared | None = None
        self.scenes: SceneEvaluation | None = None
        self.tested: Tested | None = None

    def _make_eval_metrics(self) -> nn.ModuleDict:
        return nn.ModuleDict({"loss": MeanMetric(), "confusion": GroupedConfusion(self.num_classes)})

    def check(self, stage: str, data: pl.LightningDataModule | None) -> None:
        """As PaddedNetworkModule.check; for `fit` it also loads the encoder's weights.

        Raises:
            ModelError: for settings that contradict one another.
            NetworkError: if the encoder's weights cannot be used.
        """
        super().check(stage, data)
        if stage == "fit" and self.encoder_weights is not None:
            load_encoder_weights(self.network, self.encoder_weights)
            self.encoder_weights = None  # read once; setup asks again

    def setup(self, stage: str) -> None:
        super().setup(stage)
        if stage == "fit" and synchronises(self.trainer.strategy.root_device, self.trainer.world_size):
            # Before the optimiser is made and the network is wrapped; timm's knows its fused layers, torch's does not.
            self.network = convert_sync_batchnorm(self.network)
        compared = stage == "validate" and compares(self.trainer.datamodule)
        self.comparison = PaddedComparison(ALONE, self._make_eval_metrics) if compared else None
        if stage == "test":
            self.scenes = SceneEvaluation(self.evaluation, self.num_classes)

    def training_step(self, batch: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
        images, targets = batch
        loss, pixels = pixel_loss(self(images), targets)
        with torch.no_grad():
            self.train_metrics["loss"].update(loss, weight=pixels)
        self.log("train/loss_step", loss.detach(), prog_bar=True, logger=False, on_step=True, on_epoch=False)
        return loss

    def on_train_epoch_start(self) -> None:
        # Not in mid-epoch: Lightning skips this hook when it resumes there, and the restored sums stay.
        reset(self.train_metrics)

    def on_train_epoch_end(self) -> None:
        self.log_epoch("train/loss", self.train_metrics["loss"].compute())

    def on_validation_epoch_start(self) -> None:
        reset(self.eval_metrics)
        if self.comparison:
            self.comparison.reset()

    def validation_step(self, batch: tuple[torch.Tensor, ...]) -> None:
        """Counts whole images, one at a time: no more than one image's logits are held, unless a canvas has several."""
        images, targets, *sizes = batch
        if sizes:
            self._compare(images, targets, *sizes)
            return
        for image, target in zip(images, targets, strict=True):
            self._count_whole(image, target)

    def _count_whole(self, image: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        return count(self.eval_metrics, predict_whole(self, image), target)

    def _compare(self, images: torch.Tensor, targets: torch.Tensor, sizes: torch.Tensor) -> None:
        logits = {PADDED: self.forward_padded(images, sizes), UNMASKED: self(images)}
        for number, (height, width) in enumerate(sizes.tolist()):
            target = targets[number, :height, :width]
            classes = {ALONE: self._count_whole(images[number, :, :height, :width], target)}
            for way, scores in logits.items():
                classes[way] = count(self.comparison.metrics[way], scores[number, :, :height, :width], target)
            counted = target != IGNORED
            if counted.any():
                self.comparison.count(
                    {way: each[counted][None] for way, each in classes.items()}, target[counted][None]
                )

    def on_validation_epoch_end(self) -> None:
        confusion = self._log_total("val", self.eval_metrics)
        if self.comparison:
            self._log_comparison()
        names = getattr(self.trainer.datamodule, "class_names", range(self.num_classes))
        for name, value in zip(names, class_iou(confusion).tolist(), strict=True):
            if not math.isnan(value):  # a class that neither occurs nor is predicted has no IoU
                self.log_epoch(f"val/iou/{str(name).replace(' ', '_')}", 100 * value)

    def _log_comparison(self) -> None:
        figures = {ALONE: totals(self.eval_metrics)}
        for way, metrics in self.comparison.metrics.items():
            self._log_total(f"val_{way}", metrics)
            figures[way] = totals(metrics)
        self.compared = self.comparison.compute(figures)

    def on_test_epoch_start(self) -> None:
        reset(self.eval_metrics)

    def test_step(self, batch: tuple[torch.Tensor, torch.Tensor]) -> None:
        """Counts images whole and in tiles; all tables come from these predictions."""
        for image, target in zip(*batch, strict=True):
            self.scenes.images.update((target != IGNORED).any())
            self.scenes.count(REGULAR, self._count_whole(image, target), target)
            for mode in self.scenes.tilings:
                self.scenes.count(mode, self._classes_in_tiles(image, mode), target)

    def _classes_in_tiles(self, image: torch.Tensor, mode: str) -> torch.Tensor:
        # A function of its own, so that these logits are gone before those of the next tiling are made.
        return predict_tiled(self, image, **self.scenes.tiling(mode, *image.shape[-2:])).argmax(0)

    def on_test_epoch_end(self) -> None:
        self._log_total("test", self.eval_metrics)
        self.tested = self.scenes.compute()
        for mode in self.scenes.tilings:
            self.log_epoch(f"test/miou_{mode}", 100 * mean_iou(self.tested.confusion[mode].sum((0, 1))))

    def _log_total(self, stage: str, metrics: nn.ModuleDict) -> torch.Tensor:
        """Logs loss and mIoU over all images, predicted whole; returns their confusion matrix (C, C)."""
        for name, value in totals(metrics).items():
            self.log_epoch(f"{stage}/{name}", value, prog_bar=name == "miou")
        return metrics["confusion"].compute()[0]

    def predict_step(self, batch: tuple[torch.Tensor, list[str]]) -> dict[str, Any]:
        """Class maps (H, W) uint8 on the CPU, and the images' paths."""
        images, paths = batch
        return {"paths": paths, "classes": [self.predict_classes(image).cpu() for image in images]}

    def predict_classes(self, image: torch.Tensor) -> torch.Tensor:
        """Classes (H, W) uint8 of a normalised image (3, H, W), whole or in tiles as `evaluation` says."""
        settings = self.evaluation
        if settings.predict_overlap is None:
            scores = predict_whole(self, image)
        else:
            scores = predict_tiled(self, image, *self._prediction_tiling(*image.shape[-2:]), settings.average)
        return scores.argmax(0).to(torch.uint8)

    def prediction_tiles(self, height: int, width: int) -> list[Box]:
        """The tiles that `predict_classes` puts an image together from; the whole image without tiles."""
        if self.evaluation.predict_overlap is None:
            return [Box(0, 0, height, width)]
        return tile_boxes(height, width, *self._prediction_tiling(height, width))

    def left_out(self, height: int, width: int, proportion: Fraction) -> torch.Tensor:
        """(H, W) bool: the centre that Table 7 leaves out, of the image or, with that scope, of each predicted tile."""
        tiles = self.prediction_tiles(height, width) if self.evaluation.border_scope == "tile" else None
        return leave_out_bands(height, width, [proportion], tiles).bool()

    def _prediction_tiling(self, height: int, width: int) -> tuple[int, Fraction]:
        size = self.evaluation.tile_size or min(height, width)
        return size, share("predict_overlap", self.evaluation.predict_overlap)

    def configure_optimizers(self) -> dict[str, Any]:
        optimizer = torch.optim.SGD(
            self.network.parameters(), lr=self.lr, momentum=self.momentum, weight_decay=self.weight_decay
        )
        # The rate of the last step is lr / steps: it reaches 0 when the run is over, not within its last epoch.
        steps = self.trainer.estimated_stepping_batches
        if steps == float("inf"):
            raise ModelError("the learning rate falls over the whole run, so set trainer.max_steps or max_epochs")
        schedule = torch.optim.lr_scheduler.PolynomialLR(optimizer, int(steps), POWER)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        super().on_save_checkpoint(checkpoint)
        checkpoint["dilation"] = self.dilation
        checkpoint["split"] = self._split

    @property
    def _split(self) -> Any:
        return getattr(self.trainer.datamodule, "split", None)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """As PaddedNetworkModule.on_load_checkpoint.

        Raises:
            ModelError: also for a classifier's checkpoint, saying where it may go, and for weights of a network with
                other dilations: all shapes would fit, and the results be wrong.
        """
        if checkpoint.get("network") == self.encoder:
            raise ModelError(
                f"the checkpoint holds the classifier {self.encoder}, not a segmentation network; to start from its "
                "weights, give it as --model.encoder_weights"
            )
        super().on_load_checkpoint(checkpoint)
        trained_with = checkpoint.get("dilation", self.dilation)
        if trained_with != self.dilation:
            raise ModelError(
                f"the checkpoint's network has {trained_with}, this one {self.dilation}; give --model.output_stride, "
                "--model.atrous_rates and --model.encoder_args as in training"
            )
        split = checkpoint.get("split")
        if self._trainer is not None and split != self._split and split is not None:
            rank_zero_warn(
                f"the checkpoint was trained on split {split}, and this is split {self._split}: it may have seen the "
                "cities that it is now evaluated on",
                category=UserWarning,
            )


def count(metrics: nn.ModuleDict, scores: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Counts the logits (C, H, W) of an image in each metric; returns its predicted classes (H, W)."""
    loss, pixels = pixel_loss(scores[None], target[None])
    metrics["loss"].update(loss, weight=pixels)
    prediction = scores.argmax(0)
    metrics["confusion"].update(prediction, target)
    return prediction


def totals(metrics: nn.ModuleDict) -> dict[str, float]:
    """Loss in nats and mIoU in percent; summed over the processes, so that each of them has the same values."""
    (confusion,) = metrics["confusion"].compute()
    return {"loss": float(metrics["loss"].compute()), "miou": 100 * mean_iou(confusion)}


def pixel_loss(logits: torch.Tensor, targets: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean cross entropy (nats) of logits (N, C, H, W) over the pixels that count, and their number; 0 without any."""
    pixels = (targets != IGNORED).sum()
    # Not reduction="sum": of maps it has no deterministic form on GPUs.
    logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
    losses = cross_entropy(logits, targets, ignore_index=IGNORED, reduction="none")
    return losses.sum() / pixels.clamp(min=1), pixels


def describe_dilation(network: nn.Module) -> str:
    """What the shapes of the weights do not tell: stride and dilation of all convolutions, as a short text."""
    convolutions = [(name, m.stride, m.dilation) for name, m in network.named_modules() if isinstance(m, nn.Conv2d)]
    widest = max(max(dilation) for _, _, dilation in convolutions)
    digest = hashlib.sha1(repr(convolutions).encode()).hexdigest()[:8]
    return f"output stride {network.output_stride}, dilation up to {widest} ({digest})"


def synchronises(device: torch.device, processes: int) -> bool:
    """Whether batch statistics are shared: torch's synchronised batch normalisation exists for GPUs only."""
    return processes > 1 and device.type == "cuda"
