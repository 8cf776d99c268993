"""Base class of the Lightning modules: a network under a padding scheme, and checkpoints that record their scheme."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, get_args

import pytorch_lightning as pl
import torch
from pytorch_lightning.trainer.states import TrainerFn
from pytorch_lightning.utilities.rank_zero import rank_zero_info, rank_zero_warn
from torch import nn

from evaluation import EvaluationError
from evaluation.context import logits_in_context, without_margin
from lightning_modules.errors import ModelError, checked
from lightning_modules.exact_mean import EpochMetrics
from lightning_modules.image_counts import ImageCounts
from networks import NetworkError, load_initial_weights
from padding import (
    PaddingError,
    UnfollowableError,
    convert_padding,
    forward_masked,
    forward_singly,
)
from padding.conversion.choice import choose, one_line
from padding.conversion.convert import report_hidden
from padding.conversion.layers import LEARNED
from padding.user_file import look_in

__all__ = ["PaddedNetworkModule", "check_scheme", "look_in", "one_line", "pads", "unpack"]

SINGLY, UNMASKED = "singly", "none"
"""Mask rules that need no mask: images one by one, each at its own size; and padded batches as they are."""

VALID = "valid"
"""Scheme at test that replaces padding by real context: the margin of the image, data.margin."""

TRIED_SIDE = 512
"""Largest side, in pixels, of the crop of an evaluation image that `try_on` gets."""

MaskRule = Literal["fixed", "grow", "singly", "none"]


class PaddedNetworkModule(pl.LightningModule):
    """A network whose padded convolutions use one scheme in training, and optionally another one at test.

    After `validate`, `image_counts` (images, 2) int64 holds the number of right and of all predictions per image, and
    `shown` says how the images were fed to the network.

    Args:
        make: function that makes the network, which is converted in place.
        name: name of the network, saved in checkpoints.
        padding: scheme of every padded convolution in training (docs/schemes.md), such as partial or zero,circular;
            or a mapping from patterns of layers' names to schemes, of which the first that fits counts.
        num_classes: number of classes.
        lr: learning rate of SGD at the start.
        padding_at_test: scheme of validate, test and predict if it differs from the one in training (cross testing,
            Table 4 of the paper); valid: the scheme in training, with data.margin pixels of real context around the
            image.
        momentum: SGD momentum.
        weight_decay: SGD weight decay, on all parameters.
        mask_rule: mask of padded batches (data.eval_padded): fixed, each image gets the output that it gets alone;
            grow, the valid area grows from layer to layer (Eq. 3), partial padding only; singly, no mask but images
            one by one, for any network; none, the network sees the zeros beyond each image.
        channels_last: keep weights and images in channels-last memory order (faster on most GPUs).
        compile: run the network through torch.compile.
        fused_optimizer: one kernel for the whole step of SGD; null leaves the choice to torch.
        init_from: file of weights to start training from, of any padding scheme: a checkpoint of this suite, of timm or
            of torchvision; if its number of classes differs, the layers of logits keep their random weights.

    Raises:
        PaddingError: if the scheme cannot be applied to this network.
        ModelError: if a setting is out of range.
    """

    name_option = "model.network"
    """The option that chooses the network, for messages."""

    targets_of = "image"
    """The unit that has a target: "image" or "pixel"."""

    shown_alone = "cropped"
    """The value of `shown` without padded batches."""

    def __init__(
        self,
        make: Callable[[], nn.Module],
        name: str,
        padding: str | dict[str, str],
        num_classes: int,
        lr: float,
        padding_at_test: str | dict[str, str] | None = None,
        momentum: float = 0.9,
        weight_decay: float = 1e-4,
        mask_rule: MaskRule = "fixed",
        channels_last: bool = False,
        compile: bool = False,
        init_from: str | None = None,
        fused_optimizer: bool | None = None,
    ) -> None:
        super().__init__()
        # Checked here, since messages of the libraries would not name the option.
        checked("num_classes", num_classes, num_classes >= 2, "at least 2")
        self.padding = check_scheme("padding", padding)
        checked("lr", lr, 0 < lr < math.inf, "a number above 0")
        checked("momentum", momentum, 0 <= momentum < 1, "from 0 to below 1")
        checked("weight_decay", weight_decay, 0 <= weight_decay < math.inf, "a number from 0 on")
        checked("mask_rule", mask_rule, mask_rule in get_args(MaskRule), f"one of {', '.join(get_args(MaskRule))}")
        network = make()
        self.mask_rule = mask_rule
        self.lr, self.momentum, self.weight_decay = lr, momentum, weight_decay
        self.fused_optimizer = fused_optimizer
        self.network, self.network_name, self.num_classes = network, name, num_classes
        self.padding_at_test = None if padding_at_test is None else check_scheme("padding_at_test", padding_at_test)
        self.margin = 0
        """Pixels on each side of evaluation images that are context and not evaluated."""
        self.padding_report = convert_padding(network, padding)
        self.tried = False
        """Whether `try_on` has added padding inside forward functions to the report."""
        self.memory_format = torch.channels_last if channels_last else torch.contiguous_format
        if channels_last:
            to_channels_last(network)
        self.compile_network = compile
        self.init_from = init_from
        self.dropped = 0
        """Number of parameters of the training scheme that the scheme at test does not use."""
        self.initialised = False
        """Whether the initial weights are loaded; also set if the weights will come from a checkpoint instead."""
        self.loaded: tuple[int, int] | None = None
        """Epoch and step of the loaded checkpoint; a training may replace its file meanwhile, such as best.ckpt."""
        self.counts: ImageCounts | None = None
        self.image_counts: torch.Tensor | None = None
        self.shown = self.shown_alone

    def setup(self, stage: str) -> None:
        self.check(stage, self.trainer.datamodule)
        self.margin = getattr(self.trainer.datamodule, "margin", 0)
        self.use_test_scheme()
        if stage == "fit" and not self.initialised:
            self.initialise()
        if self.compile_network:
            # After the last conversion of the scheme. In place, so that the state dict keeps its keys.
            self.network.compile()
        self.counts = ImageCounts() if stage == "validate" else None
        self.shown = "padded" if stage == "validate" and pads(self.trainer.datamodule) else self.shown_alone

    def initialise(self) -> None:
        """Loads the weights of `init_from`, if that is set.

        Raises:
            ModelError: if the weights cannot be used.
        """
        if self.init_from is not None:
            try:
                line = load_initial_weights(self.network, Path(self.init_from).expanduser(), self.num_classes)
            except NetworkError as error:
                raise ModelError(f"model.init_from: {error}") from error
            rank_zero_info(line)
        self.initialised = True

    def use_test_scheme(self) -> None:
        """Converts the network to `padding_at_test`, if that is set.

        Raises:
            PaddingError: if the scheme cannot be applied to this network.
        """
        if self.padding_at_test not in (None, VALID):
            self.padding_report = convert_padding(self.network, self.padding_at_test)
            self.tried = False

    def check(self, stage: str, data: pl.LightningDataModule | None) -> None:
        """Refuses settings that contradict one another, before anything is started.

        Raises:
            ModelError: for `padding_at_test` in `fit`, the scheme valid without a margin, masks in a compiled network,
                or data with another kind of targets or another number of classes.
        """
        if stage == "fit" and self.padding_at_test is not None:
            raise ModelError(
                "model.padding_at_test is for validate, test and predict; leave it out of fit, which trains with "
                "model.padding, whatever scheme made the weights of --model.init_from"
            )
        if stage == "validate" and pads(data) and self.compile_network and self.mask_rule not in (SINGLY, UNMASKED):
            raise ModelError(
                "data.eval_padded is on, and masks cannot be followed through a compiled network; say "
                f"--model.compile=false, or --model.mask_rule={SINGLY}"
            )
        if self.scheme == VALID and (stage == "predict" or not getattr(data, "margin", 0)):
            raise ModelError(
                "model.padding_at_test is valid, which is for validate and test and takes a margin of real context in "
                "the place of padding; say how many pixels of it with --data.margin"
            )
        # A user's data module may lack these attributes, and is then not checked.
        targets = getattr(data, "targets_of", None)
        if stage != "predict" and targets not in (None, self.targets_of):
            raise ModelError(
                f"model.class_path {type(self).__name__} learns a class for each {self.targets_of}, but "
                f"data.class_path {type(data).__name__} gives one for each {targets}; choose both alike"
            )
        found = getattr(data, "num_classes", None)
        if found is not None and found != self.num_classes:
            raise ModelError(
                f"model.num_classes is {self.num_classes}, but the data has {found} classes; "
                + (f"say --model.num_classes={found}" if found > 1 else "give data with two classes or more")
            )

    def try_on(self, images: torch.Tensor) -> None:
        """Runs the network once to add padding inside forward functions, which no layer shows, to `padding_report`.

        Warns if zeros remain that a convolution reads.

        Args:
            images: (N, 3, H, W) float, on the network's device.

        Raises:
            PaddingError: if the network cannot take images of this size.
        """
        self.tried = True
        # Reported, not converted: commands that do not run the network first would otherwise see another network.
        report_hidden(self.network, self.padding_report, images)
        if self.padding_report.unsupported:
            rank_zero_warn(str(self.padding_report))

    def on_validation_batch_start(self, batch: Any, batch_idx: int, dataloader_idx: int = 0) -> None:
        # A crop of a scene shows the same calls. A compiled network does not call the modules that a report names.
        if not self.tried and not self.compile_network:
            self.try_on(unpack(batch)[0][:1, :, :TRIED_SIDE, :TRIED_SIDE])

    on_test_batch_start = on_predict_batch_start = on_validation_batch_start

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits of normalised images (N, 3, H, W): (N, num_classes), or (N, num_classes, H, W) in segmentation."""
        return self.network(images.contiguous(memory_format=self.memory_format))

    def forward_padded(self, images: torch.Tensor, sizes: torch.Tensor | None) -> torch.Tensor:
        """Logits of normalised images (N, 3, H, W), each at the top left of its array, zeros beyond it.

        `mask_rule` decides what happens to the zeros: "fixed" masks them in every layer, so that each image gets the
        output that it gets alone; "grow" lets the valid area grow from layer to layer (Eq. 3 of the paper); "singly"
        takes the images one by one; "none" lets the network see the zeros.

        Args:
            images: images padded to one size.
            sizes: height and width of each image (N, 2) int64; None if the images fill their arrays, as in `forward`.

        Returns:
            As `forward`; in segmentation only the logits within each image's size are valid.

        Raises:
            PaddingError: if masks cannot be followed through the network; names the operation, and the option that
                needs no masks.
        """
        if sizes is None or self.mask_rule == UNMASKED:
            return self.evaluated(self.seen(images))
        images = images.contiguous(memory_format=self.memory_format)
        if self.mask_rule == SINGLY:
            return forward_singly(self.network, images, sizes).output
        try:
            return forward_masked(self.network, images, sizes, rule=self.mask_rule).output
        except UnfollowableError as error:
            raise PaddingError(f"{error}; --model.mask_rule={SINGLY} takes the images one by one instead") from error

    @property
    def context(self) -> int:
        """Pixels of the margin that the network sees: all of it under VALID, else 0."""
        return self.margin if self.scheme == VALID else 0

    def seen(self, images: torch.Tensor) -> torch.Tensor:
        """The part of evaluation images (..., H, W) that the network sees: without the margin, except under VALID."""
        return images if self.context else without_margin(images, self.margin)

    def evaluated(self, images: torch.Tensor) -> torch.Tensor:
        """As `forward`; under VALID the logits of images without their margin, computed with it as context."""
        if not self.context:
            return self(images)
        try:
            return logits_in_context(self.network, images.contiguous(memory_format=self.memory_format), self.context)
        except EvaluationError as error:
            raise ModelError(f"data.margin: {error}") from None

    def make_sgd(self) -> torch.optim.SGD:
        """The optimiser of the paper's recipes: SGD with momentum and weight decay on all parameters."""
        settings = {"lr": self.lr, "momentum": self.momentum, "weight_decay": self.weight_decay}
        return torch.optim.SGD(self.network.parameters(), **settings, fused=self.fused_optimizer)

    def on_train_epoch_start(self) -> None:
        # Lightning skips this hook when it resumes within an epoch, so MetricState's restored sums stay.
        self.train_metrics.reset()

    def on_train_epoch_end(self) -> None:
        self._log_metrics("train", self.train_metrics)

    def on_test_epoch_start(self) -> None:
        self.eval_metrics.reset()

    def on_test_epoch_end(self) -> None:
        self._log_metrics("test", self.eval_metrics)

    def on_validation_epoch_start(self) -> None:
        self.eval_metrics.reset()
        if self.counts is not None:
            self.counts = ImageCounts()

    def count_images(self, right: torch.Tensor, predictions: torch.Tensor) -> None:
        """Adds a batch's numbers (N,) of right and of all predictions to `counts`; only in `validate`."""
        if self.counts is not None:
            self.counts.update(right, predictions)

    def on_validation_epoch_end(self) -> None:
        if self.counts is not None:
            self.image_counts = self.counts.compute(self.all_gather)
        self._log_metrics("val", self.eval_metrics)

    def _log_metrics(self, stage: str, metrics: EpochMetrics) -> None:
        for name, value in metrics.compute().items():
            self.log_epoch(f"{stage}/{name}", value, prog_bar=self.monitor == f"val/{name}")

    @property
    def scheme(self) -> str:
        """The padding scheme in validate, test and predict."""
        return self.padding_at_test or self.padding

    def log_epoch(self, name: str, value: Any, prog_bar: bool = False) -> None:
        """Logs a metric of an epoch; the value must be the same on every process.

        During `fit`, metrics go to epochs.csv and the Dashboard callback uploads them, so a resumed epoch is not logged
        twice. `validate` and `test` return and print only what goes to a logger.
        """
        self.log(name, value, prog_bar=prog_bar, logger=self.trainer.state.fn != TrainerFn.FITTING)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["network"], checkpoint["padding"] = self.network_name, self.padding

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Checks that the weights are of this network and scheme; drops parameters that the scheme at test lacks.

        Raises:
            ModelError: if the weights are of another network or scheme; says which option to set.
        """
        if self._trainer is not None and self.trainer.precision == "64-true":
            self.double()  # Lightning does only after it has loaded the weights, rounded to single precision then
        self.loaded = checkpoint.get("epoch"), checkpoint.get("global_step")
        # A checkpoint of another program has neither key, and is not checked.
        network, trained_with = checkpoint.get("network"), checkpoint.get("padding")
        if network is not None and network != self.network_name:
            raise ModelError(
                f"the checkpoint holds {network}, but the options make {self.network_name}; give the "
                f"{self.name_option} it was trained with, or another checkpoint"
            )
        if trained_with is not None and trained_with != self.padding:
            raise ModelError(
                f"the checkpoint was trained with {trained_with} padding, but model.padding is {self.padding}. "
                f"Say --model.padding={trained_with}; to test it under {self.padding} padding on purpose, add "
                f"--model.padding_at_test={self.padding}; to train its weights with that, give it as --model.init_from"
            )
        if self.scheme not in (self.padding, VALID):
            weights, trained, tested = checkpoint["state_dict"], choose(self.padding), choose(self.scheme)

            def differs(layer: str) -> bool:
                """Returns whether a layer has another scheme at test; patterns may change some layers only."""
                return trained.scheme_of(layer) != tested.scheme_of(layer)

            learned = {key: key.removeprefix("network.").removesuffix(f".{LEARNED}") for key in weights}
            if dropped := [key for key, layer in learned.items() if key.endswith(LEARNED) and differs(layer)]:
                count = sum(weights.pop(key).numel() for key in dropped)
                if not self.dropped:
                    rank_zero_info(
                        f"tested under {self.scheme} padding without the {count} parameters of {self.padding} padding"
                    )
                self.dropped = count


def to_channels_last(network: nn.Module) -> nn.Module:
    """Puts the weights of 2d convolutions in channels-last order; `nn.Module.to` fails if there are 3d convolutions."""
    for parameter in network.parameters():
        if parameter.dim() == 4:
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
    return network


def check_scheme(name: str, padding: str | dict[str, str]) -> str:
    """Returns the name of the scheme or patterns that the option `model.name` gives; raises ModelError if unknown."""
    if padding == VALID and name == "padding_at_test":
        return VALID
    try:
        return choose(padding).name
    except PaddingError as error:
        raise ModelError(f"model.{name}: {error}") from error


def pads(data: pl.LightningDataModule | None) -> bool:
    """Returns whether the data pads images of different sizes to one batch in `validate`."""
    return getattr(data, "eval_padded", False)


def unpack(batch: Any) -> tuple[Any, Any, torch.Tensor | None]:
    """Returns images, targets and sizes of a batch (images, targets), whose sizes are None, or of a PaddedBatch.

    datamodules.loading.padded.PaddedBatch is recognised by its field `sizes`, since this package imports no data code.
    """
    return batch if hasattr(batch, "sizes") else (*batch, None)
