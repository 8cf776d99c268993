"""What the segmentation head is made of: convolution, batch norm and ReLU, and bilinear upsampling."""

from torch import Tensor, nn
from torch.nn.functional import interpolate


def convolution_norm_relu(
    in_channels: int, out_channels: int, kernel_size: int = 1, dilation: int = 1
) -> nn.Sequential:
    """A convolution without bias that keeps the map's size, batch norm, ReLU."""
    padding = dilation * (kernel_size // 2)
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, kernel_size, padding=padding, dilation=dilation, bias=False),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(inplace=True),
    )


def upsample(maps: Tensor, size: tuple[int, int]) -> Tensor:
    """Maps (N, C, h, w) bilinearly at `size` (H, W); the corner pixels' centres stay where they are."""
    return interpolate(maps, size, mode="bilinear", align_corners=True)


def initialise_head(head: nn.Module) -> None:
    """Kaiming normal by fan in for all convolutions (He et al. 2015)."""
    for module in head.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_in", nonlinearity="relu")
