"""Networks that timm lacks, which importing this package registers with timm by name, and DeepLabV3+."""

from networks.create import NetworkError, create_network
from networks.deeplabv3plus import DeepLabV3Plus
from networks.encoder_weights import load_encoder_weights
from networks.initial_weights import load_initial_weights

__all__ = [
    "DeepLabV3Plus",
    "NetworkError",
    "create_network",
    "load_encoder_weights",
    "load_initial_weights",
]
