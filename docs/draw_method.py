"""Draws docs/method.svg, the picture of the method in the README: `python -m docs.draw_method`."""

from pathlib import Path

import matplotlib.pyplot as plt
import torch
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from padding import PartialConv2d, border_ratio

SIZE, KERNEL = 6, 3
INK, PALE, PADDED = "#24292f", "#dbe7f3", "#f4f4f4"
WINDOWS = {(0, 0): "#c2410c", (0, 3): "#0f766e", (3, 3): "#1d4ed8"}
"""Centres of the windows shown, in a corner, at an edge and inside, with their colours."""


def main() -> None:
    figure, axes = plt.subplots(1, 4, figsize=(12, 3.6), layout="constrained")
    ratio = border_ratio((SIZE, SIZE), KERNEL, padding=1)
    draw_windows(axes[0], ratio)
    draw_numbers(axes[1], ratio, "partial padding: times r =\nwindow area / area inside")
    draw_numbers(axes[2], constant_image_averaged(torch.nn.Conv2d), "zero padding: the mean of\na constant image fades")
    draw_numbers(axes[3], constant_image_averaged(PartialConv2d), "partial padding: it stays 1\nup to the border")
    figure.get_layout_engine().set(w_pad=0.12, h_pad=0.12)
    plt.rcParams["svg.hashsalt"] = "method"  # without it, element ids differ in every file
    figure.savefig(Path(__file__).with_name("method.svg"), metadata={"Date": None})


def constant_image_averaged(kind: type[torch.nn.Conv2d]) -> torch.Tensor:
    """Filters an image of ones by a 3x3 mean, a convolution of this kind: (SIZE, SIZE)."""
    layer = kind(1, 1, KERNEL, padding=1, bias=False)
    torch.nn.init.constant_(layer.weight, 1 / KERNEL**2)
    return layer(torch.ones(1, 1, SIZE, SIZE))[0, 0].detach()


def draw_windows(axis: Axes, ratio: torch.Tensor) -> None:
    for row in range(-1, SIZE + 1):
        for column in range(-1, SIZE + 1):
            inside = 0 <= row < SIZE and 0 <= column < SIZE
            axis.add_patch(Rectangle((column, row), 1, 1, facecolor=PALE if inside else PADDED, edgecolor="white"))
            if not inside:
                axis.text(column + 0.5, row + 0.5, "0", color="#8c959f", ha="center", va="center", fontsize=8)
    for (row, column), colour in WINDOWS.items():
        valid = round(KERNEL**2 / float(ratio[row, column]))
        frame = {"fill": False, "edgecolor": colour, "linewidth": 2.2}
        axis.add_patch(Rectangle((column - 1, row - 1), KERNEL, KERNEL, **frame))
        label = {"color": colour, "ha": "center", "va": "center", "fontsize": 9, "fontweight": "bold"}
        axis.text(column + 0.5, row + 0.5, f"{valid} of {KERNEL**2}", **label)
    finish(axis, "a 3x3 window at the border\nholds less of the image", -1, SIZE + 1)


def draw_numbers(axis: Axes, values: torch.Tensor, title: str) -> None:
    axis.imshow(values, cmap="RdBu_r", vmin=-1.5, vmax=3.5, extent=(0, SIZE, SIZE, 0))
    for row in range(SIZE):
        for column in range(SIZE):
            text = f"{float(values[row, column]):.2f}".rstrip("0").rstrip(".")
            axis.text(column + 0.5, row + 0.5, text, color=INK, ha="center", va="center", fontsize=8)
    finish(axis, title, 0, SIZE)


def finish(axis: Axes, title: str, low: int, high: int) -> None:
    axis.set_title(title, fontsize=10, color=INK, pad=10)
    axis.set_xlim(low, high)
    axis.set_ylim(high, low)
    axis.set_aspect("equal")
    axis.axis("off")


if __name__ == "__main__":
    main()
