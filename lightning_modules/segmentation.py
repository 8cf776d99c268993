"""Semantic segmentation: sections 4.2 and 4.2.1 of Partial Convolution based Padding (Liu et al. 2018).

https://arxiv.org/abs/1811.11718
"""

import math
from collections.abc import Sequence
from fractions import Fraction
from functools import partial
from typing import Any

import torch
from pytorch_lightning.callbacks import GradientAccumulationScheduler
from pytorch_lightning.utilities.rank_zero import rank_zero_warn
from timm.layers import convert_sync_batchnorm

from evaluation import Box, leave_out_bands, mean_iou, predict_tiled, predict_whole, tile_boxes
from evaluation.context import without_margin
from lightning_modules.errors import ModelError
from lightning_modules.exact_mean import EpochMetrics, ExactMean
from lightning_modules.padded_network import PaddedNetworkModule, unpack
from lightning_modules.pixel_metrics import IGNORED_PIXEL, PixelMetrics, pixel_loss
from lightning_modules.scene_evaluation import REGULAR, EvaluationSettings, SceneCounts, SceneEvaluation, share
from networks import DeepLabV3Plus, NetworkError, load_encoder_weights

POWER = 1.0
"""Exponent of the polynomial decay of the learning rate, section 4.2."""


class SegmentationModule(PaddedNetworkModule):
    """DeepLabV3+ on any timm encoder under a padding scheme, trained with the paper's recipe.

    Logs per epoch: `train/loss`, `val/loss` (mean cross entropy per pixel in nats), `val/miou`, and `val/iou/CLASS` of
    each class that occurs (percent, from one confusion matrix over all images and processes: each counts once). The
    learning rate falls linearly to 0 over the steps of the run. With several processes on GPUs batch normalisation is
    synchronised; torch cannot do that on CPUs, where each process normalises its own images.

    `validate` takes images one by one; with data.eval_padded it takes several in one padded batch.

    Args:
        encoder: timm model name of the encoder; the paper's are resnet50 and wide_resnet38.
        padding, num_classes: as in PaddedNetworkModule, and so are the further arguments, `shared`.
        output_stride: output stride of the encoder, 8 (the paper's) or 16.
        lr: learning rate of SGD at the start; the paper's is 0.03 for resnet50, 0.01 for wide_resnet38.
        encoder_weights: initial weights of the encoder alone: "timm" (pretrained), or a file of a classifier, as for
            init_from; null for random weights (from scratch in Table 5 of the paper).
        encoder_args: further arguments of timm.create_model.
        head_channels: channels of each branch of the ASPP and of the decoder.
        skip_channels: channels of the reduced skip connection.
        atrous_rates: dilations of the ASPP; null for 12, 24, 36 at output stride 8, or half of these at 16.
        evaluation: tiles, overlaps and left-out centres of `test` and `predict`.

    Raises:
        NetworkError: if timm does not know the encoder, or the network cannot be an encoder.
        PaddingError: if the scheme is unknown or cannot be applied to this network.
    """

    monitor = "val/miou"
    name_option = "model.encoder"
    targets_of = "pixel"
    shown_alone = "alone"

    def __init__(
        self,
        encoder: str = "resnet50",
        padding: str | dict[str, str] = "zero",
        num_classes: int = 19,
        output_stride: int = 8,
        lr: float = 0.03,
        encoder_weights: str | None = None,
        encoder_args: dict[str, Any] | None = None,
        head_channels: int = 256,
        skip_channels: int = 48,
        atrous_rates: list[int] | None = None,
        evaluation: EvaluationSettings | None = None,
        **shared: Any,
    ) -> None:
        make = partial(
            DeepLabV3Plus,
            encoder,
            num_classes,
            output_stride,
            head_channels=head_channels,
            skip_channels=skip_channels,
            atrous_rates=atrous_rates,
            encoder_args=encoder_args,
        )
        super().__init__(make, f"deeplabv3plus-{encoder}", padding, num_classes, lr, **shared)
        # Only for load_from_checkpoint: the configuration itself is in the run folder.
        self.save_hyperparameters(logger=False)
        self.encoder, self.encoder_weights = encoder, encoder_weights
        self.dilation = self.network.dilation
        self.evaluation = evaluation or EvaluationSettings()
        self.train_metrics, self.eval_metrics = EpochMetrics(loss=ExactMean()), PixelMetrics(num_classes)
        self.scenes: SceneEvaluation | None = None
        self.tested: SceneCounts | None = None

    def initialise(self) -> None:
        if self.encoder_weights is not None and self.init_from is not None:
            raise ModelError("model.init_from has weights of the encoder, too; leave model.encoder_weights out")
        super().initialise()
        if self.encoder_weights is not None:
            try:
                load_encoder_weights(self.network, self.encoder_weights)
            except NetworkError as error:
                raise ModelError(f"model.encoder_weights: {error}") from error

    def setup(self, stage: str) -> None:
        super().setup(stage)
        if stage == "fit" and synchronises(self.trainer.strategy.root_device, self.trainer.world_size):
            # In setup, before the optimiser is made and DDP wraps the network. By timm's function, since torch's drops
            # the activations of timm's layers that fuse normalisation and activation.
            self.network = convert_sync_batchnorm(self.network)
        if stage == "test":
            self.scenes = SceneEvaluation(self.evaluation, self.num_classes)

    def metrics(self, class_names: Sequence[str]) -> list[str]:
        """Names of the metrics that `fit` logs for data with these classes."""
        return ["train/loss", "val/loss", "val/miou", *map(iou_name, class_names)]

    def training_step(self, batch: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
        images, targets = batch
        loss, pixels = pixel_loss(self(images), targets)
        with torch.no_grad():
            self.train_metrics.loss.update(loss, weight=pixels)
        return loss

    def validation_step(self, batch: Any) -> None:
        """Evaluates images one at a time, so that memory holds the logits of one image; a PaddedBatch all at once."""
        images, targets, sizes = unpack(batch)
        if sizes is None:
            for image, target in zip(images, targets, strict=True):
                self._count(self._whole(image), without_margin(target, self.margin))
            return
        for logits, target, (height, width) in zip(
            self.forward_padded(images, sizes), targets, sizes.tolist(), strict=True
        ):
            self._count(logits[:, :height, :width], target[:height, :width])

    def _whole(self, image: torch.Tensor) -> torch.Tensor:
        return predict_whole(self.evaluated, self.seen(image), self.context)

    def _count(self, logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        classes = self.eval_metrics.update(logits, target)
        self.count_images((classes == target).sum()[None], (target != IGNORED_PIXEL).sum()[None])
        return classes

    def on_validation_epoch_end(self) -> None:
        super().on_validation_epoch_end()
        names = getattr(self.trainer.datamodule, "class_names", range(self.num_classes))
        for name, value in zip(names, self.eval_metrics.class_iou(), strict=True):
            if not math.isnan(value):  # a class that neither occurs nor is predicted has no IoU
                self.log_epoch(iou_name(name), value)

    def test_step(self, batch: tuple[torch.Tensor, torch.Tensor]) -> None:
        """Predicts each image at once and in tiles, and adds the predictions to the counts behind all tables."""
        for image, target in zip(*batch, strict=True):
            target = without_margin(target, self.margin)
            self.scenes.images.update((target != IGNORED_PIXEL).any())
            self.scenes.count(REGULAR, self._count(self._whole(image), target), target)
            for mode in self.scenes.tilings:
                tiling = self.scenes.tiling(mode, *target.shape)
                self.scenes.count(mode, self._classes_in_tiles(image, tiling), target)

    def _classes_in_tiles(self, image: torch.Tensor, tiling: dict[str, Any]) -> torch.Tensor:
        # A method of its own, so that the logits of a tiling are freed before the next tiling makes its own.
        return predict_tiled(self.evaluated, self.seen(image), **tiling, margin=self.context).argmax(0)

    def on_test_epoch_end(self) -> None:
        super().on_test_epoch_end()
        self.tested = self.scenes.compute()
        for mode in self.scenes.tilings:
            self.log_epoch(f"test/miou_{mode}", 100 * mean_iou(self.tested.confusion[mode].sum((0, 1))))

    def predict_step(self, batch: tuple[torch.Tensor, list[str]]) -> dict[str, Any]:
        """Class maps (H, W) uint8 on the CPU, and the images' paths."""
        images, paths = batch
        return {"paths": paths, "classes": [self.predict_classes(image).cpu() for image in images]}

    def predict_classes(self, image: torch.Tensor) -> torch.Tensor:
        """Classes (H, W) uint8 of a normalised image (3, H, W), predicted at once or in tiles as `evaluation` says."""
        settings = self.evaluation
        if settings.predict_overlap is None:
            scores = predict_whole(self, image)
        else:
            scores = predict_tiled(self, image, *self._prediction_tiling(*image.shape[-2:]), settings.average)
        return scores.argmax(0).to(torch.uint8)

    def prediction_tiles(self, height: int, width: int) -> list[Box]:
        """The tiles of `predict_classes`; a single box, the whole image, if it predicts at once."""
        if self.evaluation.predict_overlap is None:
            return [Box(0, 0, height, width)]
        return tile_boxes(height, width, *self._prediction_tiling(height, width))

    def left_out(self, height: int, width: int, proportion: Fraction) -> torch.Tensor:
        """Mask (H, W) bool of the centre that Table 7 leaves out: the image's, or each tile's (`border_scope`)."""
        tiles = self.prediction_tiles(height, width) if self.evaluation.border_scope == "tile" else None
        return leave_out_bands(height, width, [proportion], tiles).bool()

    def _prediction_tiling(self, height: int, width: int) -> tuple[int, Fraction]:
        return self.evaluation.tile_side(height, width), share("predict_overlap", self.evaluation.predict_overlap)

    def configure_optimizers(self) -> dict[str, Any]:
        optimizer = self.make_sgd()
        # The last step's rate is lr / steps, so the rate reaches 0 after the last step, not an epoch before the end.
        steps = self.trainer.estimated_stepping_batches
        if steps == float("inf"):
            raise ModelError(
                "the learning rate falls over the whole run, so set trainer.max_steps or trainer.max_epochs"
            )
        if any(isinstance(each, GradientAccumulationScheduler) for each in self.trainer.callbacks):
            # Lightning counts the steps of the run as if the first epoch's accumulation applied to all epochs.
            raise ModelError(
                "the learning rate falls with each step of the run, whose number is not known under "
                "GradientAccumulationScheduler; say trainer.accumulate_grad_batches, or set an --optimizer"
            )
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
            ModelError: also for a classifier's checkpoint (names the option that takes one), and for weights of a
                network with other dilations: all shapes would fit, but the results would be wrong.
        """
        if checkpoint.get("network") == self.encoder:
            raise ModelError(
                f"the checkpoint holds the classifier {self.encoder}, not a segmentation network; to start from its "
                "weights, give it as --model.encoder_weights"
            )
        super().on_load_checkpoint(checkpoint)
        # Checkpoints of early versions have no dilation.
        trained_with = checkpoint.get("dilation", self.dilation)
        if trained_with != self.dilation:
            raise ModelError(
                f"the checkpoint's network has {trained_with}, this one {self.dilation}; give --model.output_stride, "
                "--model.atrous_rates and --model.encoder_args as in training"
            )
        split = checkpoint.get("split")
        # Without a trainer, as in load_from_checkpoint, there are no data whose split could be compared.
        if self._trainer is not None and split != self._split and split is not None:
            rank_zero_warn(
                f"the checkpoint was trained on split {split}, and this is split {self._split}: it may have seen the "
                "cities that it is now evaluated on",
                category=UserWarning,
            )


def iou_name(name: Any) -> str:
    """Name of the metric for the IoU of a class, such as `val/iou/traffic_light`."""
    return f"val/iou/{str(name).replace(' ', '_')}"


def synchronises(device: torch.device, processes: int) -> bool:
    """Returns whether batch normalisation is synchronised; torch can do that on GPUs only."""
    return processes > 1 and device.type == "cuda"
