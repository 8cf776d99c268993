"""Draws docs/schemes.png, one small image padded by every scheme: `python -m docs.draw_schemes`.

A frame marks the image; around it are the values that the convolution reads beyond the border. Under `partial` and
`partial_sqrt` it reads none; `noise` and `random_side` show one draw of training; `constant` shows a learned value, 0.6
(it starts at 0).
"""

from pathlib import Path

import matplotlib.pyplot as plt
import torch
from matplotlib.patches import Rectangle
from torch import nn

from padding import available_schemes, layer_class

SIZE, PAD = 24, 8
BLANK = ("partial", "partial_sqrt")


def image() -> torch.Tensor:
    """Draws a sky that gets darker, a sun, a hill and a road, (3, SIZE, SIZE), so that all four borders differ."""
    y, x = torch.meshgrid(torch.linspace(0, 1, SIZE), torch.linspace(0, 1, SIZE), indexing="ij")
    sky = torch.stack([0.35 + 0.4 * y + 0 * x, 0.6 + 0.3 * y * x, 0.95 - 0.2 * x])
    sun = ((x - 0.22) ** 2 + (y - 0.2) ** 2 < 0.025)[None]
    hill = (y > 0.75 - 0.35 * torch.sin(2.2 * x))[None]
    road = hill & (abs(x - 0.62 - 0.25 * (y - 0.5)) < 0.12 * y)[None]
    picture = torch.where(sun, torch.tensor([1.0, 0.9, 0.3])[:, None, None], sky)
    green = torch.stack([0.25 + 0.2 * x, 0.55 - 0.2 * y, 0.2 + 0 * x])
    picture = torch.where(hill, green, picture)
    return torch.where(road, torch.tensor([0.55, 0.5, 0.5])[:, None, None], picture)


def padded(scheme: str) -> torch.Tensor:
    """Pads the image by a scheme, as shown by a 1x1 convolution that copies its padded input; by white if BLANK."""
    layer = layer_class(nn.Conv2d, scheme)(3, 3, 1, padding=PAD, groups=3, bias=False)
    if scheme in BLANK:
        return nn.functional.pad(image(), [PAD] * 4, value=1.0)
    nn.init.ones_(layer.weight)
    if scheme == "constant":
        nn.init.constant_(layer.padding_learned, 0.6)
    with torch.no_grad():
        return layer(image()[None])[0].clamp(0, 1)


def main() -> None:
    torch.manual_seed(3)
    names = [name for name in available_schemes() if name not in ("explicit", "pad_channel")] + ["zero,circular"]
    figure, axes = plt.subplots(-(-len(names) // 6), 6, figsize=(9, 1.72 * -(-len(names) // 6)))
    for axis in axes.flat:
        axis.axis("off")
    for axis, name in zip(axes.flat, names, strict=False):
        axis.imshow(padded(name).permute(1, 2, 0).numpy(), interpolation="nearest")
        for start, side, colour in ((PAD - 0.5, SIZE, "white"), (-0.5, SIZE + 2 * PAD, "grey")):
            axis.add_patch(Rectangle((start, start), side, side, fill=False, edgecolor=colour, linewidth=1))
        axis.set_title(name, fontsize=9, pad=3)
    figure.tight_layout(pad=0.4)
    figure.savefig(Path(__file__).with_name("schemes.png"), dpi=110)


if __name__ == "__main__":
    main()
