"""Networks for small images, without early downsampling, so that the border stays a large share of every map.

Deep Residual Learning for Image Recognition (He et al. 2015), https://arxiv.org/abs/1512.03385
Very Deep Convolutional Networks for Large-Scale Image Recognition (Simonyan and Zisserman 2014),
https://arxiv.org/abs/1409.1556

`cifar_resnet18` is the usual CIFAR variant of ResNet18: a 3x3 stem of stride 1 and no pooling. The thin networks train
in seconds on a laptop: a ResNet, and a VGG whose padded convolutions have biases, as in the paper's two families.
"""

from functools import partial
from typing import Any

import torch
from timm.models import build_model_with_cfg, generate_default_cfgs, register_model
from timm.models.resnet import BasicBlock, ResNet
from torch import nn

# As torchvision's ResNets, and so the paper's: on small images and few epochs, residual branches that start at zero
# learn much more slowly.
AS_THE_PAPER = {"zero_init_last": False}
THIN = {"channels": (16, 32, 64, 128), "stem_type": "deep", "stem_width": 8, **AS_THE_PAPER}


_LIKE_A_RESNET = {"first_conv": "conv1", "classifier": "fc"}
default_cfgs = generate_default_cfgs(
    dict.fromkeys(("cifar_resnet18", "cifar_resnet10", "tiny_resnet10"), _LIKE_A_RESNET)
)


def _build_resnet(name: str, layers: tuple[int, ...], stem_stride: int, pretrained: bool, **settings: Any) -> nn.Module:
    _refuse_weights(name, pretrained)
    make = partial(_resnet_with_small_stem, name, layers, stem_stride)
    return build_model_with_cfg(make, name, pretrained=False, **settings)


def _resnet_with_small_stem(
    name: str, layers: tuple[int, ...], stem_stride: int, output_stride: int | None = None, **settings: Any
) -> ResNet:
    """timm's ResNet with its stem (stride 4 in all) replaced by a single 3x3 convolution.

    Args:
        output_stride: of the whole network as built here; None: that of all its strides.

    Raises:
        ValueError: for an output stride that the network cannot have.
    """
    # timm reckons with its own stem of stride 4, which is replaced below.
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


@register_model
def cifar_resnet18(pretrained: bool = False, **settings: Any) -> nn.Module:
    """ResNet18 for 32x32 images: 11.2 M parameters at 10 classes, 17 padded convolutions."""
    return _build_resnet("cifar_resnet18", (2, 2, 2, 2), 1, pretrained, **{**AS_THE_PAPER, **settings})


@register_model
def cifar_resnet10(pretrained: bool = False, **settings: Any) -> nn.Module:
    """Thin ResNet10 (16 to 128 channels) for 32x32 images: 0.3 M parameters at 10 classes, 9 padded convolutions."""
    return _build_resnet("cifar_resnet10", (1, 1, 1, 1), 1, pretrained, **{**THIN, **settings})


@register_model
def tiny_resnet10(pretrained: bool = False, **settings: Any) -> nn.Module:
    """cifar_resnet10 with a stem of stride 2, a quarter of the work: for images of 40 pixels and more."""
    return _build_resnet("tiny_resnet10", (1, 1, 1, 1), 2, pretrained, **{**THIN, **settings})


@register_model
def cifar_vgg8_bn(pretrained: bool = False, **settings: Any) -> "SmallVGG":
    """Thin VGG (16 to 128 channels) with batch normalisation: 0.3 M parameters at 10 classes, 7 padded convolutions."""
    _refuse_weights("cifar_vgg8_bn", pretrained)
    return SmallVGG(((16,), (32, 32), (64, 64), (128, 128)), **_constructor_only(settings))


@register_model
def cifar_vgg16_bn(pretrained: bool = False, **settings: Any) -> "SmallVGG":
    """VGG16 with batch normalisation for 32x32 images: 14.7 M parameters at 10 classes, 13 padded convolutions.

    Without VGG16's last two poolings, since a map of one position could not be reflected; one linear layer.
    """
    _refuse_weights("cifar_vgg16_bn", pretrained)
    return SmallVGG(((64,) * 2, (128,) * 2, (256,) * 3, (512,) * 6), **_constructor_only(settings))


@register_model
def tiny_vgg7_bn(pretrained: bool = False, **settings: Any) -> "SmallVGG":
    """Thinner VGG (12 to 96 channels) with batch normalisation: 0.08 M parameters, 6 padded convolutions."""
    _refuse_weights("tiny_vgg7_bn", pretrained)
    return SmallVGG(((12,), (24, 24), (48, 48), (96,)), **_constructor_only(settings))


class SmallVGG(nn.Module):
    """Stages of 3x3 convolutions with bias, batch normalisation and ReLU, max pooling between them, one linear layer.

    Args:
        stages: output channels of each convolution, stage by stage.
        num_classes: number of logits.
        in_chans: channels of the image.
        drop_rate: dropout before the linear layer.
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
        """Logits (N, num_classes) of images (N, C, H, W)."""
        return self.forward_head(self.forward_features(images))

    def forward_features(self, images: torch.Tensor) -> torch.Tensor:
        """The last maps (N, C, h, w), as of timm's networks."""
        return self.features(images)

    def forward_head(self, maps: torch.Tensor) -> torch.Tensor:
        """Logits of the last maps."""
        return self.fc(self.drop(maps.mean((2, 3))))


def _refuse_weights(name: str, pretrained: bool) -> None:
    if pretrained:
        raise ValueError(f"{name} has no pretrained weights; leave pretrained out")


def _constructor_only(settings: dict[str, Any]) -> dict[str, Any]:
    # timm hands its own bookkeeping to every registered function; only what the constructor knows is passed on.
    return {key: value for key, value in settings.items() if not key.startswith(("pretrained", "cache_dir"))}
