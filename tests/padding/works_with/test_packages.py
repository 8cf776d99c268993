"""Models of other packages, without weights: what is converted, left, and hidden in a forward, and that it is all.

Another recorder, of torch's functions, watches a run: no zero padding may be left that the report does not name.
docs/works_with.md has the table.
"""

import contextlib
import functools
import importlib
import inspect

import pytest
import torch
from torch import nn

from padding import PaddingError, convert_padding
from padding.conversion import dry_run
from padding.conversion.layers import PaddedLayer
from tests.padding.conversion.pad_calls import PadCalls

pytest.importorskip("monai", reason="make works-with installs the other packages")

IMAGE, SMALL = torch.rand(1, 3, 64, 64), torch.rand(1, 3, 32, 32)


def smp(name, encoder="resnet18"):
    return getattr(importlib.import_module("segmentation_models_pytorch"), name)(encoder, encoder_weights=None)


def torchvision(name):
    models = importlib.import_module("torchvision.models")
    takes = inspect.signature(models.get_model_builder(name)).parameters
    return models.get_model(name, weights=None, **({"weights_backbone": None} if "weights_backbone" in takes else {}))


def transformers(name, **settings):
    package = importlib.import_module("transformers")
    return getattr(package, f"{name}Model")(getattr(package, f"{name}Config")(**settings))


def diffusers(name, blocks="", **settings):
    kind = getattr(importlib.import_module("diffusers"), name)
    down, up = (
        f"{blocks}Down{'Encoder' if 'Auto' in name else ''}Block2D",
        f"{blocks}Up{'Decoder' if 'Auto' in name else ''}Block2D",
    )
    shape = {"down_block_types": (down,) * 2, "up_block_types": (up,) * 2, "block_out_channels": (16, 32)}
    return kind(**shape, norm_num_groups=8, **settings)


def monai(name, *arguments, **settings):
    return getattr(importlib.import_module("monai.networks.nets"), name)(*arguments, **settings)


class WaveNet(nn.Sequential):
    """A network over one axis, as for audio: dilated convolutions that keep the length."""

    def __init__(self):
        super().__init__(
            *(nn.Conv1d(1 if step == 1 else 8, 8, 3, padding=step, dilation=step) for step in (1, 2, 4, 8))
        )


UNET3D = {"channels": (8, 16, 32), "strides": (2, 2)}
ENCODER = {"channels": (8, 16), "num_res_blocks": (1, 1), "attention_levels": (False,) * 2, "norm_num_groups": 4}
WHISPER = {f"{part}_{what}": 1 for part in ("encoder", "decoder") for what in ("layers", "attention_heads")}


def row(name, build, converted, example=IMAGE, left=(), hidden=()):
    """Numbers of layers converted, and the kinds of those that are left and hidden."""
    return pytest.param(build, example, converted, {*left}, {*hidden}, id=name)


EFFICIENTNET_PADS = ("Conv2dStaticSamePadding", "ZeroPad2d")
SPOKEN = {"input_features": torch.rand(1, 80, 3000), "decoder_input_ids": torch.tensor([[1, 2]])}
TABLE = [
    row("smp Unet", lambda: smp("Unet"), 28, left=["MaxPool2d"]),
    row("smp DeepLabV3+", lambda: smp("DeepLabV3Plus"), 22, left=["MaxPool2d"]),
    row("smp Unet, EfficientNet", lambda: smp("Unet", "efficientnet-b0"), 11, hidden=EFFICIENTNET_PADS),
    row("torchvision ResNet18", lambda: torchvision("resnet18"), 17, left=["MaxPool2d"]),
    row("torchvision LR-ASPP", lambda: torchvision("lraspp_mobilenet_v3_large"), 16),
    row("torchvision SSDlite", lambda: torchvision("ssdlite320_mobilenet_v3_large"), 32, [IMAGE[0]]),
    row("diffusers UNet2D", lambda: diffusers("UNet2DModel", sample_size=32), 28, (SMALL, torch.tensor([1]))),
    row("diffusers AutoencoderKL", lambda: diffusers("AutoencoderKL"), 25, SMALL, hidden=["Downsample2D"]),
    row(
        "transformers ConvNeXt",
        lambda: transformers("ConvNext", hidden_sizes=[16, 32], depths=[1, 1], num_stages=2),
        2,
    ),
    row("transformers SegFormer", lambda: transformers("Segformer"), 12),
    row("transformers MobileNetV2", lambda: transformers("MobileNetV2"), 0, hidden=["MobileNetV2ConvLayer"]),
    row(
        "transformers Whisper",
        lambda: transformers("Whisper", d_model=16, encoder_ffn_dim=8, decoder_ffn_dim=8, **WHISPER),
        2,
        SPOKEN,
    ),
    row("monai UNet, 2d", lambda: monai("UNet", 2, 1, 2, num_res_units=1, **UNET3D), 9, IMAGE[:, :1]),
    row("monai UNet, 3d", lambda: monai("UNet", 3, 1, 2, **UNET3D), 5, torch.rand(1, 1, 16, 16, 16)),
    row(
        "monai AutoencoderKL",
        lambda: monai("AutoencoderKL", 2, 1, 1, latent_channels=2, **ENCODER),
        21,
        SMALL[:, :1],
        hidden=["AsymmetricPad"],
    ),
    row("a 1-d network", WaveNet, 4, torch.rand(1, 1, 64)),
]


SMP = {
    "Unet": "mobileone_s0 mit_b0 mobilenet_v2 densenet121 xception inceptionv4 vgg11_bn dpn68 se_resnet50 "
    "tu-convnext_atto",
    **dict.fromkeys(
        ["UnetPlusPlus", "MAnet", "Linknet", "FPN", "PSPNet", "DeepLabV3", "PAN", "UPerNet", "Segformer"], "resnet18"
    ),
}
TORCHVISION = {
    96: "alexnet convnext_tiny densenet121 efficientnet_b0 efficientnet_v2_s googlenet mnasnet0_5 mobilenet_v2 "
    "mobilenet_v3_small regnet_x_400mf regnet_y_400mf resnet50 resnext50_32x4d shufflenet_v2_x0_5 squeezenet1_1 vgg11 "
    "vgg11_bn wide_resnet50_2 deeplabv3_mobilenet_v3_large deeplabv3_resnet50 fcn_resnet50",
    224: "maxvit_t swin_t swin_v2_t vit_b_16",
    299: "inception_v3",
}
DETECTION = "fasterrcnn_mobilenet_v3_large_320_fpn fcos_resnet50_fpn maskrcnn_resnet50_fpn retinanet_resnet50_fpn"
VIDEO = "r3d_18 mc3_18 r2plus1d_18"
TRANSFORMERS = "ConvNextV2 MobileNetV1 ResNet RegNet PoolFormer Cvt SwiftFormer"
TRANSFORMERS_SIZED = "EfficientNet Swinv2 MobileViT MobileViTV2 PvtV2 FocalNet"
MONAI = {
    "AttentionUnet": (2, 1, 2, (8, 16, 32), (2, 2)),
    "DynUNet": (2, 1, 2, [3, 3, 3], [1, 2, 2], [2, 2]),
    "BasicUNet": (2, 1, 2, (8,) * 6),
    "HighResNet": (2, 1, 2),
    "SegResNet": (3, 8),
    "VNet": (3,),
    "DenseNet121": (3, 1, 2),
}


def further():
    """Models whose reports are held to be complete, not to numbers: (name, builder, example)."""
    for name, encoders in SMP.items():
        for encoder in encoders.split():
            yield f"smp {name} {encoder}", functools.partial(smp, name, encoder), torch.rand(1, 3, 128, 128)
    for side, names in TORCHVISION.items():
        for name in names.split():
            yield f"torchvision {name}", functools.partial(torchvision, name), torch.rand(1, 3, side, side)
    for name in DETECTION.split():
        yield f"torchvision {name}", functools.partial(torchvision, name), [torch.rand(3, 128, 128)]
    for name in VIDEO.split():
        yield f"torchvision {name}", functools.partial(torchvision, name), torch.rand(1, 3, 16, 64, 64)
    for name in (TRANSFORMERS + " " + TRANSFORMERS_SIZED).split():
        side = {"image_size": 64} if name in TRANSFORMERS_SIZED.split() else {}
        yield f"transformers {name}", functools.partial(transformers, name, **side), IMAGE
    for name, arguments in MONAI.items():
        shape = (1, 1, 32, 32, 32) if arguments[0] == 3 else (1, 1, 64, 64)
        yield f"monai {name}", functools.partial(monai, name, *arguments), torch.rand(shape)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("build", "example", "converted", "left", "hidden"), TABLE)
def test_report_is_true(build, example, converted, left, hidden):
    report = report_of(build, example)
    kinds = {name: {report.kinds[layer] for layer in getattr(report, name)} for name in ("left", "unsupported")}
    assert (len(report.converted), kinds["left"], kinds["unsupported"]) == (converted, left, hidden), str(report)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("build", "example"), [pytest.param(*row[1:], id=row[0]) for row in further()])
def test_nothing_hides(build, example):
    print(report_of(build, example))


def report_of(build, example):
    """Converts a model to partial padding; nothing that pads with zeros in a run may be missing in its report."""
    torch.manual_seed(0)
    model = build().eval()
    report = convert_padding(model, "partial", example=example)
    names = {module: name for name, module in model.named_modules()}
    with torch.no_grad(), PadCalls(model) as calls:
        dry_run._call(model, example)
    padding = {names[module] for module, _ in calls.found if not isinstance(module, PaddedLayer)}
    assert padding <= {*report.left, *report.unsupported}, "zero padding that the report does not name"
    refused = pytest.raises(PaddingError, match="cannot be padded") if report.unsupported else contextlib.nullcontext()
    with refused:
        convert_padding(model, "partial", strict=True, example=example)
    return report
