"""Measures what masks cost: a batch of images of different sizes padded to one canvas, with and without masks.

One network under partial padding runs in turns, round after round: the canvas without masks (which reads padded
positions, so its results differ), the same again (the null pair), with masks by rule `fixed`, by `grow`, and a loop
over single images. The table has medians and quartiles over the rounds of the ratios to the canvas without masks, then
of `fixed` over the loop. The first batch of a set of sizes is compared with single images; the cost of that comparison
has its own column.
"""

import random
from collections.abc import Iterator
from statistics import median

import torch
from torch import nn

from benchmarks.parts import Row, Setting, ratios, spread
from networks.create import create_network
from padding import convert_padding, forward_masked, forward_singly
from studies.timing.interleaved import Step, interleaved

PLAIN, NULL, FIXED, GROW, SINGLY = "canvas", "null", "fixed", "grow", "singly"
LEAST = 0.7
"""Shortest side of an image, as a share of the canvas'."""


def mask_rows(setting: Setting) -> Iterator[Row]:
    """Measures ResNet50 by the side of the canvas and the number of images."""
    model = create_network("test_resnet" if setting.tiny else "resnet50", 1000).to(setting.device).eval()
    convert_padding(model, "partial")
    cases = [(224, 4, 40), (128, 16, 15), (128, 4, 15), (64, 16, 15), (64, 4, 15)]
    for canvas, batch, rounds in [(32, 2, 3), (40, 2, 3)] if setting.tiny else cases:
        images = torch.randn(batch, 3, canvas, canvas, device=setting.device)
        steps = make_steps(model, images, draw_sizes(canvas, batch))
        # The first call also compares its batch with single images, which the rounds below do not repeat.
        first = setting.stopwatch(steps[FIXED])
        # The first round fills caches, so it does not count.
        counted = interleaved(list(steps), steps.__getitem__, rounds, setting.stopwatch, warm_up=1)
        row = {"pixels": canvas, "batch": batch, "n": rounds, "canvas, ms": round(1000 * median(counted[PLAIN]))}
        row |= {step: spread(ratios(counted[step], counted[PLAIN])) for step in (NULL, FIXED, GROW, SINGLY)}
        row["fixed / singly"] = spread(ratios(counted[FIXED], counted[SINGLY]))
        yield row | {"check, ms": round(1000 * (first - median(counted[FIXED]))), "_seconds": counted}


def draw_sizes(canvas: int, batch: int, seed: int = 0) -> list[tuple[int, int]]:
    """Draws sides uniformly from LEAST to 1 of the canvas; on each axis some image fills it, as in a batch."""
    draw = random.Random(seed)
    heights, widths = ([draw.randint(round(LEAST * canvas), canvas) for _ in range(batch)] for _ in "hw")
    heights[draw.randrange(batch)] = widths[draw.randrange(batch)] = canvas
    return list(zip(heights, widths, strict=True))


def make_steps(model: nn.Module, images: torch.Tensor, sizes: list[tuple[int, int]]) -> dict[str, Step]:
    runs = {
        PLAIN: lambda: model(images),
        NULL: lambda: model(images),
        FIXED: lambda: forward_masked(model, images, sizes),
        GROW: lambda: forward_masked(model, images, sizes, rule=GROW),
        SINGLY: lambda: forward_singly(model, images, sizes),
    }
    return {name: torch.inference_mode()(run) for name, run in runs.items()}
