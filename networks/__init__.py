"""Networks that timm lacks, registered with timm under their names when this package is imported, and DeepLabV3+."""

from networks.create import NetworkError, create_network
from networks.deeplabv3plus import DeepLabV3Plus
from networks.encoder_weights import load_encoder_weights
from networks.initial_weights import load_initial_weights
from networks.small import cifar_resnet10, cifar_resnet18, cifar_vgg8_bn, tiny_resnet10, tiny_vgg7_bn
from networks.wide_resnet38 import wide_resnet38

__all__ = [
    "DeepLabV3Plus",
    "NetworkError",
    "cifar_resnet10",
    "cifar_resnet18",
    "cifar_vgg8_bn",
    "create_network",
    "load_encoder_weights",
    "load_initial_weights",
    "tiny_resnet10",
    "tiny_vgg7_bn",
    "wide_resnet38",
]
