"""Networks that timm lacks, registered with timm under their names when this package is imported."""

from networks.create import create_network
from networks.small import cifar_resnet10, cifar_resnet18, cifar_vgg8_bn, tiny_resnet10, tiny_vgg7_bn

__all__ = ["cifar_resnet10", "cifar_resnet18", "cifar_vgg8_bn", "create_network", "tiny_resnet10", "tiny_vgg7_bn"]
