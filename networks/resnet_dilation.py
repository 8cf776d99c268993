"""Dilation of timm's ResNets as the paper's encoder has it."""

from timm.models.resnet import BasicBlock, Bottleneck
from torch import nn


def dilate_whole_stages(network: nn.Module) -> None:
    """Gives every 3x3 convolution of a dilated stage the stage's dilation, in place.

    timm's `output_stride` leaves the first block of each such stage at the dilation of the stage before: at output
    stride 8 layer3 starts with 1 and layer4 with 2, where 2 and 4 are wanted throughout. Weights do not change.

    It concerns timm's ResNet with its two blocks (resnet, resnext, wide_resnet, seresnet, ... and the small ones here),
    their 3x3 projections included. All others, such as ResNeSt, SKNet, RegNet and the EfficientNets, have blocks of
    their own and stay as timm makes them; so does an anti-aliasing filter.
    """
    for block in network.modules():
        if type(block) in (BasicBlock, Bottleneck):
            for convolution in (block.conv1, block.conv2, *(block.downsample or ())):
                if isinstance(convolution, nn.Conv2d) and max(convolution.kernel_size) > 1:
                    _dilate(convolution, block.dilation)


def _dilate(convolution: nn.Conv2d, dilation: int) -> None:
    convolution.dilation = (dilation, dilation)
    convolution.padding = tuple(dilation * (kernel // 2) for kernel in convolution.kernel_size)
