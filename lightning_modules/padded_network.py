"""What every experiment's module shares: a network under a padding scheme, and checkpoints that know their scheme."""

from typing import Any, Literal, get_args

import pytorch_lightning as pl
import torch
from pytorch_lightning.trainer.states import TrainerFn
from torch import nn

from lightning_modules.errors import ModelError
from padding import PaddingError, UnfollowableError, convert_padding, forward_masked, forward_singly

SINGLY = "singly"
"""The mask rule that needs no mask: images go through the network one by one, each at its own size."""

MaskRule = Literal["fixed", "grow", "singly"]


class PaddedNetworkModule(pl.LightningModule):
    """A network whose padded convolutions follow a scheme, and may follow another one at test.

    Args:
        network: converted in place.
        name: of the network, kept in checkpoints.
        padding: scheme of every padded convolution while training.
        padding_at_test: scheme of validate, test and predict where it differs from the one of training.
        num_classes: classes that the network tells apart.
        mask_rule: how images on a larger canvas are evaluated, see `forward_padded`.
        channels_last: keep weights and images in channels-last memory order.
        compile: run the network through torch.compile.

    Raises:
        PaddingError: if the scheme is unknown or cannot be applied to this network.
        ModelError: if the mask rule is unknown.
    """

    name_option = "model.network"
    """The option that chooses the network, for messages."""

    def __init__(
        self,
        network: nn.Module,
        name: str,
        padding: str,
        padding_at_test: str | None,
        num_classes: int,
        mask_rule: MaskRule = "fixed",
        channels_last: bool = False,
        compile: bool = False,
    ) -> None:
        super().__init__()
        if mask_rule not in get_args(MaskRule):
            raise ModelError(f"model.mask_rule is {mask_rule!r}; it must be one of {', '.join(get_args(MaskRule))}")
        self.mask_rule = mask_rule
        self.network, self.network_name, self.num_classes = network, name, num_classes
        self.padding, self.padding_at_test = padding, padding_at_test
        self.padding_report = convert_padding(network, padding)
        self.memory_format = torch.channels_last if channels_last else torch.contiguous_format
        if channels_last:
            network.to(memory_format=torch.channels_last)
        self.compile_network = compile

    def setup(self, stage: str) -> None:
        self.check(stage, self.trainer.datamodule)
        self.use_test_scheme()
        if self.compile_network:
            # Only now, since the scheme is settled; in place, so that the state dict keeps its keys.
            self.network.compile()

    def use_test_scheme(self) -> None:
        """Converts the network to the scheme that it is evaluated under, if that is another than the one of training.

        Raises:
            PaddingError: if the scheme cannot be applied to this network.
        """
        if self.padding_at_test is not None:
            self.padding_report = convert_padding(self.network, self.padding_at_test)

    def check(self, stage: str, data: pl.LightningDataModule | None) -> None:
        """Finds what can be known to be wrong before anything is started.

        Raises:
            ModelError: if `fit` is to use another scheme at test, the data has another number of classes, or a mask is
                to be followed through a compiled network.
        """
        if stage == "fit" and self.padding_at_test is not None:
            raise ModelError("model.padding_at_test is for validate, test and predict; leave it out of fit")
        if stage == "validate" and compares(data) and self.compile_network and self.mask_rule != SINGLY:
            raise ModelError(
                "data.eval_padded is on, and masks cannot be followed through a compiled network; say "
                f"--model.compile=false, or --model.mask_rule={SINGLY}"
            )
        found = getattr(data, "num_classes", None)
        if found is not None and found != self.num_classes:
            raise ModelError(
                f"model.num_classes is {self.num_classes}, but the data has {found} classes; "
                f"say --model.num_classes={found}"
            )

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits of normalised images (N, 3, H, W): (N, num_classes), or (N, num_classes, H, W) of a dense network."""
        return self.network(images.contiguous(memory_format=self.memory_format))

    def forward_padded(self, images: torch.Tensor, sizes: torch.Tensor) -> torch.Tensor:
        """Logits of normalised images (N, 3, H, W), each at the top left of its canvas; what lies beyond is ignored.

        `mask_rule` says how: "fixed" follows each image's size through the network, so that each gets what it gets
        alone; "grow" lets what is known grow from layer to layer (Eq. 3 of the paper); "singly" takes them one by one.

        Args:
            images: on their canvas.
            sizes: (N, 2) int64, height and width of each.

        Returns:
            As `forward`; a dense network's logits are those of the image within its size.

        Raises:
            PaddingError: if the network cannot be followed: the operation, and the option that needs no following.
        """
        images = images.contiguous(memory_format=self.memory_format)
        if self.mask_rule == SINGLY:
            return forward_singly(self.network, images, sizes).output
        try:
            return forward_masked(self.network, images, sizes, rule=self.mask_rule).output
        except UnfollowableError as error:
            raise PaddingError(f"{error}; --model.mask_rule={SINGLY} takes the images one by one instead") from error

    @property
    def scheme(self) -> str:
        """The scheme that the network is evaluated under."""
        return self.padding_at_test or self.padding

    def log_epoch(self, name: str, value: Any, prog_bar: bool = False) -> None:
        """Logs a figure of a whole epoch, the same on every process.

        While fitting, the logger gets its curves from the run folder's rows, each epoch once whatever was repeated
        after a resume. Alone, validate and test return and print only what goes to a logger.
        """
        self.log(name, value, prog_bar=prog_bar, logger=self.trainer.state.fn != TrainerFn.FITTING)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["network"], checkpoint["padding"] = self.network_name, self.padding

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Refuses weights of another scheme or network.

        Raises:
            ModelError: saying which option to set; cross testing is `padding_at_test`.
        """
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
                f"--model.padding_at_test={self.padding}"
            )


def compares(data: pl.LightningDataModule | None) -> bool:
    """Whether the data are to show images of different sizes in one batch."""
    return getattr(data, "eval_padded", False)


def reset(metrics: nn.ModuleDict) -> None:
    """Forgets the sums of each metric."""
    for metric in metrics.values():
        metric.reset()
