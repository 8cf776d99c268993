"""Small networks that hold every kind of padded convolution, and sizes to record and to run them at."""

import timm
import torch
from timm.layers import (
    BlurPool2d,
    CondConv2d,
    Conv2dSame,
    ScaledStdConv2d,
    ScaledStdConv2dSame,
    StdConv2d,
    StdConv2dSame,
)
from torch import nn

from padding import convert_padding


class Conditional(nn.Module):
    """A mixture of filters for each sample, chosen by the sample's mean."""

    def __init__(self):
        super().__init__()
        self.convolution = CondConv2d(3, 4, 3, stride=2, padding=1, bias=True, num_experts=2)
        self.routing = nn.Linear(3, 2)

    def forward(self, x):
        return self.convolution(x, self.routing(x.mean((2, 3))).sigmoid())


def _axes_1d():
    return nn.Sequential(
        nn.Conv1d(3, 4, 5, 2, padding=2), nn.Conv1d(4, 4, 3, padding=3, dilation=3, groups=2, bias=False)
    )


def _axes_2d():
    return nn.Sequential(
        nn.Conv2d(3, 4, (7, 3), 2, padding=(3, 1)),
        nn.Conv2d(4, 8, 3, (1, 2), padding=(2, 3), dilation=(2, 3), groups=4, bias=False),
        nn.Conv2d(8, 4, (4, 3), padding="same", dilation=(1, 2)),
    )


def _axes_3d():
    return nn.Conv3d(3, 4, (3, 3, 5), (1, 2, 2), padding=(1, 1, 2))


def _weights_on_the_way():
    return nn.Sequential(
        StdConv2d(3, 4, 3, padding=1), ScaledStdConv2d(4, 4, 3, stride=2, padding=1), BlurPool2d(4, pad_mode="constant")
    )


def _tensorflow_same():
    # The second needs no pads where the size is a multiple of 3: the formula is below zero there.
    return nn.Sequential(StdConv2dSame(3, 4, 3, bias=True), Conv2dSame(4, 4, 2, stride=3))


def _tensorflow_same_scaled():
    return ScaledStdConv2dSame(3, 4, 3, stride=2, dilation=2)


def _wider_than_the_kernel():
    return nn.Conv2d(3, 4, 3, 2, padding=5)


_NETS = {
    "1d": _axes_1d,
    "2d": _axes_2d,
    "3d": _axes_3d,
    "weights on the way": _weights_on_the_way,
    "tensorflow same": _tensorflow_same,
    "tensorflow same, scaled": _tensorflow_same_scaled,
    "wider than the kernel": _wider_than_the_kernel,
    "conditional": Conditional,
}

SMALL_NETS = tuple(_NETS)

_SIZES = {
    "1d": ((13,), (14,), (19,), (31,)),
    "3d": ((5, 8, 9), (6, 9, 8), (7, 12, 15)),
}
_SIZES_2D = ((13, 14), (14, 13), (21, 31), (32, 15))


def build(name):
    """The network of that name in evaluation mode, no bias or scale at its starting value."""
    net = _NETS[name]().eval()
    for parameter in net.parameters():
        if parameter.dim() == 1:
            nn.init.uniform_(parameter, -0.5, 0.5)
    return net


def whole_network(name, scheme):
    """The timm model, no scale left at zero: every branch must take part."""
    model = timm.create_model(name).eval()
    for parameter in model.parameters():
        if not parameter.any():
            nn.init.uniform_(parameter, -0.5, 0.5)
    convert_padding(model, scheme)
    return model


def sizes(name):
    """Spatial sizes: the first to record the network at, the others for later."""
    return _SIZES.get(name, _SIZES_2D)


def images(batch, size):
    """Random input of three channels, (batch, 3, *size)."""
    return torch.randn(batch, 3, *size)


def error(y, expected):
    """The largest difference, relative to the largest value expected."""
    return float((y - expected).abs().max() / expected.abs().max())


def record(net, *inputs):
    """The network compiled, exported and traced, by name; the batch and two spatial sizes are left open."""
    auto = torch.export.Dim.AUTO
    dynamic = ({0: auto, 2: auto, 3: auto},) * len(inputs)
    return {
        "compile": torch.compile(net, fullgraph=True, dynamic=True, backend="eager"),
        "export": torch.export.export(net, inputs, dynamic_shapes=dynamic).module(),
        "fx": torch.fx.symbolic_trace(net),
        "trace": torch.jit.trace(net, inputs, check_trace=False),
    }


def norm_relu(x, state, name, training):
    """Normalisation and ReLU as a formula of the state dict."""
    mean, var = state[f"{name}.running_mean"], state[f"{name}.running_var"]
    if training:
        mean, var = x.mean((0, 2, 3)), x.var((0, 2, 3), correction=0)
    x = (x - mean[:, None, None]) / (var[:, None, None] + 1e-5).sqrt()
    return (x * state[f"{name}.weight"][:, None, None] + state[f"{name}.bias"][:, None, None]).clamp(min=0)
