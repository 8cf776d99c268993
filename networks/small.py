"""Networks for small images, with little early downsampling, so that the border stays a large share of every map.

Deep Residual Learning for Image Recognition (He et al. 2015), https://arxiv.org/abs/1512.03385
Very Deep Convolutional Networks for Large-Scale Image Recognition (Simonyan and Zisserman 2014),
https://arxiv.org/abs/1409.1556

`cifar_resnet18` is the usual CIFAR variant of ResNet18: a 3x3 stem of stride 1 and no pooling. The thin networks (16 to
128 channels, `tiny_vgg7_bn` 12 to 96) train in seconds on a laptop. They are ResNets, and VGGs, whose padded
convolutions have biases, as the paper's two families.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from timm.models import build_model_with_cfg, generate_default_cfgs, register_model
from timm.models.resnet import BasicBlock, ResNet
from torch import nn

# As in torchvision's and so the paper's ResNets. On small images and few epochs, residual branches that start at zero
# learn much more slowly.
AS_THE_PAPER = {"zero_init_last": False}
THIN = {"channels": (16, 32, 64, 128), "stem_type": "deep", "stem_width": 8, **AS_THE_PAPER}


_LIKE_A_RESNET = {"first_conv": "conv1", "classifier": "fc"}
default_cfgs = generate_default_cfgs(
    dict.fromkeys(("cifar_resnet18", "cifar_resnet10", "tiny_resnet10"), _LIKE_A_RESNET)
)


def _build_resnet(name: str, layers: tuple[int, ...], stem_stride: int, **settings: Any) -> nn.Module:
    make = partial(_resnet_with_small_stem, name, layers, stem_stride)
    return build_model_with_cfg(make, name, pretrained=False, **settings)


def _resnet_with_small_stem(
    name: str, layers: tuple[int, ...], stem_stride: int, output_stride: int | None = None, **settings: Any
) -> ResNet:
    """Builds timm's ResNet with its stem (stride 4 in all) replaced by a single 3x3 convolution.

    `output_stride` refers to the whole network as built here; None keeps all strides. Raises ValueError for an output
    stride that the network cannot have.
    """
    # timm's output strides include its own stem of stride 4, which is replaced below.
    possible = {stem_stride * timms // 4: timms for timms in (8, 16, 32)}
    if output_stride not in (None, *possible):
        raise ValueError(f"{name} has output_stride {', '.join(map(str, possible))}, not {output_stride}")
    network = ResNet(BasicBlock, layers, output_stride=possible.get(output_stride, 32), **settings)
    last = network.conv1[-1] if isinstance(network.conv1, nn.Sequential) else network.conv1
    width = last.out_channels
    network.conv1 = nn.Conv2d(network.in_chans, width, 3, stride=stem_stride, padding=1, bias=False)
    nn.init.kaiming_normal_(network.conv1.weight, mode="fan_out", nonlinearity="relu")
    network.maxpool = nn.Identity()
    stem, *stages = network.feature_info
    stem["reduction"] = stem_stride
    for stage in stages:
        stage["reduction"] = stage["reduction"] * stem_stride // 4
    return network


class SmallVGG(nn.Module):
    """Stages of 3x3 convolutions with bias, batch norm and ReLU, max pooling between stages, and one linear layer.

    `stages` lists the output channels of each convolution per stage; `drop_rate` is the dropout before the linear
    layer.
    """

    def __init__(
        self, stages: tuple[tuple[int, ...], ...], num_classes: int = 10, in_chans: int = 3, drop_rate: float = 0.0
    ) -> None:
        super().__init__()
        self.num_classes = num_classes
        layers: list[nn.Module] = []
        for number, stage in enumerate(stages):
            if number:
                layers.append(nn.MaxPool2d(2))
            for width in stage:
                layers += [nn.Conv2d(in_chans, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU(inplace=True)]
                in_chans = width
        self.features = nn.Sequential(*layers)
        self.drop = nn.Dropout(drop_rate)
        self.fc = nn.Linear(in_chans, num_classes)
        for module in self.features:
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
                nn.init.zeros_(module.bias)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Computes logits (N, num_classes) of images (N, C, H, W)."""
        return self.forward_head(self.forward_features(images))

    def forward_features(self, images: torch.Tensor) -> torch.Tensor:
        """Computes the last maps (N, C, h, w), as timm's networks do."""
        return self.features(images)

    def forward_head(self, maps: torch.Tensor) -> torch.Tensor:
        """Computes logits of the last maps."""
        return self.fc(self.drop(maps.mean((2, 3))))


def _build_vgg(name: str, stages: tuple[tuple[int, ...], ...], **settings: Any) -> SmallVGG:
    # timm passes its own bookkeeping to every registered function; the constructor takes none of it.
    known = {key: value for key, value in settings.items() if not key.startswith(("pretrained", "cache_dir"))}
    return SmallVGG(stages, **known)


def _register(name: str, build: Callable[..., nn.Module], *shape: Any, **defaults: Any) -> None:
    """Registers `build(name, *shape, **settings)` with timm as the network `name`."""

    def make(pretrained: bool = False, **settings: Any) -> nn.Module:
        if pretrained:
            raise ValueError(f"{name} has no pretrained weights; leave pretrained out")
        return build(name, *shape, **{**defaults, **settings})

    make.__name__ = name
    register_model(make)


# Comments: number of parameters at 10 classes, number of padded convolutions.
_register("cifar_resnet18", _build_resnet, (2, 2, 2, 2), 1, **AS_THE_PAPER)  # 11.2 M, 17
_register("cifar_resnet10", _build_resnet, (1, 1, 1, 1), 1, **THIN)  # 0.3 M, 9
# A stem of stride 2 is a quarter of the work; for images of 40 pixels and more.
_register("tiny_resnet10", _build_resnet, (1, 1, 1, 1), 2, **THIN)  # 0.3 M, 9
_register("cifar_vgg8_bn", _build_vgg, ((16,), (32, 32), (64, 64), (128, 128)))  # 0.3 M, 7
# Without VGG16's last two poolings, because reflect padding cannot pad a map of one position; one linear layer.
_register("cifar_vgg16_bn", _build_vgg, ((64,) * 2, (128,) * 2, (256,) * 3, (512,) * 6))  # 14.7 M, 13
_register("tiny_vgg7_bn", _build_vgg, ((12,), (24, 24), (48, 48), (96,)))  # 0.08 M, 6
