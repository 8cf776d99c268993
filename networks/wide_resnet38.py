"""WideResNet38, the larger segmentation encoder of section 4.2, registered with timm.

Wider or Deeper: Revisiting the ResNet Model for Visual Recognition (Wu, Shen and van den Hengel 2016), model A2,
https://arxiv.org/abs/1611.10080

Seven modules: a bare 3x3 convolution, four stages of pre-activation identity blocks with channels that grow from stage
to stage, and two wide bottlenecks with channel dropout. 105,062,720 parameters without the classifier and the closing
batch norm.
"""

from typing import Any, NamedTuple

from timm.layers import create_classifier
from timm.models import build_model_with_cfg, generate_default_cfgs, register_model
from torch import Tensor, nn
from torch.nn.functional import dropout


class _Stage(NamedTuple):
    """A module of the paper: `blocks` blocks of the same convolutions, the first block with the stage's stride."""

    name: str
    blocks: int
    channels: tuple[int, ...]
    """Output channels of a block's convolutions: two 3x3, or 1x1, 3x3 and 1x1 of a bottleneck."""
    drop_rate: float = 0.0


_STAGES = (
    _Stage("mod2", 3, (128, 128)),
    _Stage("mod3", 3, (256, 256)),
    _Stage("mod4", 6, (512, 512)),
    _Stage("mod5", 3, (512, 1024)),
    _Stage("mod6", 1, (512, 1024, 2048), drop_rate=0.3),
    _Stage("mod7", 1, (1024, 2048, 4096), drop_rate=0.5),
)

# (stride, dilation) of mod4 to mod7 at each output stride. A stage whose stride is dropped doubles the dilation of its
# own and all later 3x3 convolutions, so that these keep their field of view. mod7 has no stride at any output stride.
_STRIDES_AND_DILATIONS = {
    32: ((2, 1), (2, 1), (2, 1), (1, 1)),
    16: ((2, 1), (2, 1), (1, 2), (1, 2)),
    8: ((2, 1), (1, 2), (1, 4), (1, 4)),
}

_POOLED = ("mod2", "mod3")
"""Stages with a max pool of stride 2 before them; it pads with minus infinity, so padding schemes leave it alone."""

_TAPPED = ("mod2", "mod3", "mod4", "mod5", "mod7")
"""Stages whose raw sums are features: the last stage of each stride at output stride 32, as in timm."""

default_cfgs = generate_default_cfgs({"wide_resnet38": {"first_conv": "mod1", "classifier": "fc"}})


@register_model
def wide_resnet38(pretrained: bool = False, **settings: Any) -> nn.Module:
    """Builds WideResNet38 for `timm.create_model("wide_resnet38", num_classes=1000)`; `features_only` gives an encoder.

    Raises:
        ValueError: `pretrained` is True, but there are no weights; or the output stride is not 8, 16 or 32.
    """
    if pretrained:
        raise ValueError("wide_resnet38 has no pretrained weights; leave pretrained out")
    return build_model_with_cfg(WideResNet38, "wide_resnet38", pretrained=False, **settings)


class PreActivationBlock(nn.Module):
    """A pre-activation residual block: batch norm and ReLU come first, nothing comes after the sum.

    If channels or stride change, the shortcut is a 1x1 projection of the activated input, else the raw input.

    Args:
        in_channels: channels of the input.
        channels: output channels of the convolutions: (3x3, 3x3) or (1x1, 3x3, 1x1).
        stride: stride of the first convolution, also if it is a bottleneck's 1x1 convolution.
        dilation: dilation of all 3x3 convolutions.
        drop_rate: rate of the channel dropout before a bottleneck's last convolution.
    """

    def __init__(
        self, in_channels: int, channels: tuple[int, ...], stride: int = 1, dilation: int = 1, drop_rate: float = 0.0
    ) -> None:
        super().__init__()
        self.norm1, self.act1 = _norm_and_activation(in_channels)
        changes = stride != 1 or in_channels != channels[-1]
        self.projection = nn.Conv2d(in_channels, channels[-1], 1, stride, bias=False) if changes else None
        kernels = (3, 3) if len(channels) == 2 else (1, 3, 1)
        widths = (in_channels, *channels)
        self.residual = nn.Sequential()
        for number, kernel in enumerate(kernels, start=1):
            if number > 1:
                self.residual.extend(_norm_and_activation(widths[number - 1]))
            if number == 3 and drop_rate:
                self.residual.append(nn.Dropout2d(drop_rate))
            self.residual.append(_convolution(widths[number - 1], widths[number], kernel, stride, dilation))
            stride = 1

    def forward(self, raw: Tensor) -> Tensor:
        """Computes raw sums (N, channels[-1], H / stride, W / stride) from raw sums (N, in_channels, H, W)."""
        activated = self.act1(self.norm1(raw))
        shortcut = raw if self.projection is None else self.projection(activated)
        return shortcut + self.residual(activated)


class WideResNet38(nn.Module):
    """The network of this module's docstring, with the interface of timm's models.

    Args:
        num_classes: number of logits; 0 leaves the classifier out.
        output_stride: 32 for strides in mod4, mod5 and mod6; 16 for dilation 2 in mod6 and mod7 instead; 8 (the
            paper's for segmentation) for dilation 2 in mod5, 4 in mod6 and mod7.
        in_chans, global_pool, drop_rate: as in timm's models; the dropout is before the classifier.

    Raises:
        ValueError: the output stride is none of these.
    """

    def __init__(
        self,
        num_classes: int = 1000,
        in_chans: int = 3,
        output_stride: int = 32,
        global_pool: str = "avg",
        drop_rate: float = 0.0,
    ) -> None:
        super().__init__()
        if output_stride not in _STRIDES_AND_DILATIONS:
            raise ValueError(f"wide_resnet38 has output_stride 8, 16 or 32, not {output_stride}")
        self.num_classes, self.in_chans, self.drop_rate = num_classes, in_chans, drop_rate
        self.feature_info: list[dict[str, Any]] = []
        # timm cuts its feature networks out of the sequence of direct children, so these come in the order of use.
        self.mod1 = nn.Conv2d(in_chans, 64, 3, padding=1, bias=False)
        channels = self._add_stages(64, ((1, 1), (1, 1), *_STRIDES_AND_DILATIONS[output_stride]))
        self.num_features = channels
        self.norm, self.act = _norm_and_activation(channels)
        self.reset_classifier(num_classes, global_pool)
        # Nothing is said about this trunk's initialisation; this is timm's and torchvision's for ResNets.
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def _add_stages(self, channels: int, strides_and_dilations: tuple[tuple[int, int], ...]) -> int:
        reduction = 1
        for stage, (stride, dilation) in zip(_STAGES, strides_and_dilations, strict=True):
            if stage.name in _POOLED:
                self.add_module(f"pool{stage.name[-1]}", nn.MaxPool2d(3, stride=2, padding=1))
                reduction *= 2
            blocks = nn.Sequential()
            for number in range(stage.blocks):
                own_stride = stride if number == 0 else 1
                blocks.append(PreActivationBlock(channels, stage.channels, own_stride, dilation, stage.drop_rate))
                channels = stage.channels[-1]
            self.add_module(stage.name, blocks)
            reduction *= stride
            if stage.name in _TAPPED:
                self.feature_info.append({"num_chs": channels, "reduction": reduction, "module": stage.name})
        return channels

    def forward_features(self, images: Tensor) -> Tensor:
        """Computes maps (N, 4096, H / output stride, W / output stride), after the closing batch norm and ReLU."""
        x = self.mod1(images)
        x = self.mod2(self.pool2(x))
        x = self.mod3(self.pool3(x))
        x = self.mod7(self.mod6(self.mod5(self.mod4(x))))
        return self.act(self.norm(x))

    def forward_head(self, x: Tensor, pre_logits: bool = False) -> Tensor:
        """Computes logits (N, num_classes) of the maps of `forward_features`, or the pooled maps if `pre_logits`."""
        x = dropout(self.global_pool(x), self.drop_rate, self.training)
        return x if pre_logits else self.fc(x)

    def forward(self, images: Tensor) -> Tensor:
        """Computes logits (N, num_classes) of normalised images (N, in_chans, H, W)."""
        return self.forward_head(self.forward_features(images))

    def get_classifier(self) -> nn.Module:
        return self.fc

    def reset_classifier(self, num_classes: int, global_pool: str | None = None) -> None:
        """Replaces the last linear layer by a new one; keeps the pooling if `global_pool` is None."""
        self.num_classes = num_classes
        device, dtype = self.mod1.weight.device, self.mod1.weight.dtype
        pooling = self.global_pool.pool_type if global_pool is None else global_pool
        self.global_pool, self.fc = create_classifier(
            self.num_features, num_classes, pooling, device=device, dtype=dtype
        )
        self.head_hidden_size = self.num_features * self.global_pool.feat_mult()


def _norm_and_activation(channels: int) -> tuple[nn.Module, nn.Module]:
    # Safe in place: a batch norm's backward pass reads its input, not its output.
    return nn.BatchNorm2d(channels), nn.ReLU(inplace=True)


def _convolution(in_channels: int, out_channels: int, kernel: int, stride: int, dilation: int) -> nn.Conv2d:
    dilation = dilation if kernel > 1 else 1
    padding = dilation * (kernel // 2)
    return nn.Conv2d(in_channels, out_channels, kernel, stride, padding, dilation, bias=False)
