"""Networks that the tests of masks share."""

import torch
from torch import nn

from padding import convert_padding


def prepared(model, scheme="partial"):
    """In float64, nothing left at zero or one: biases, statistics and zero-initialised scales must take part."""
    model = model.eval().double()
    with torch.no_grad():
        for parameter in model.parameters():
            if not parameter.any():
                parameter.uniform_(-0.5, 0.5)
        for module in model.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.running_mean.uniform_(-0.5, 0.5)
                module.running_var.uniform_(0.5, 2)
    convert_padding(model, scheme)
    return model


class Function(nn.Module):
    """A convolution and a function `function(module, maps)` behind it, which may use the module's parameters."""

    def __init__(self, function, **parts):
        super().__init__()
        self.stem, self.function = nn.Conv2d(3, 4, 3, padding=1), function
        self.first, self.second = nn.Parameter(torch.randn(4)), nn.Parameter(torch.randn(4))
        for name, part in parts.items():
            setattr(self, name, part)

    def forward(self, x):
        return self.function(self, self.stem(x))
