"""What masks cost: a batch of images of different sizes on one canvas, against the same canvas without masks.

    python -m benchmarks.masks resnet50 --batch 4 --canvas 224 --rounds 40
    python -m benchmarks.masks resnet50 --batch 4 16 --canvas 64 128 224 --rounds 15

One network under partial padding, in turns, round after round: the canvas without masks (which reads what is padded,
and so gives other results), the same again (the null pair), with masks by rule `fixed`, by `grow`, and the loop over
single images. The table has medians and quartiles of the ratios to the canvas without masks, over the rounds; then of
`fixed` over the loop. The first batch of a set of sizes is compared with single images, so the cost of that comparison
is on a line of its own. On a CPU the seconds are those of the process, on one thread.
"""

import argparse
import random
from pathlib import Path
from statistics import median

import timm
import torch
from torch import nn

from benchmarks.parts import Setting, ratios, spread
from padding import convert_padding, forward_masked, forward_singly
from studies.timing.interleaved import Step, describe_device, interleaved

PLAIN, NULL, FIXED, GROW, SINGLY = "canvas", "null", "fixed", "grow", "singly"
LEAST = 0.7
"""Shortest side of an image, as a share of the canvas'."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", help="names of timm models")
    parser.add_argument("--canvas", type=int, nargs="+", default=[224], help="side of the canvas, in pixels")
    parser.add_argument("--batch", type=int, nargs="+", default=[4], help="images a step")
    parser.add_argument("--rounds", type=int, default=30, help="rounds after the first, which is not counted")
    parser.add_argument("--device", default="cpu", help="cpu, cuda, mps")
    options = parser.parse_args()
    torch.set_num_threads(1)
    setting = Setting(torch.device(options.device), Path())
    print(f"torch {torch.__version__}, timm {timm.__version__}, {describe_device(setting.device)}")
    print(
        f"partial padding, evaluation, sides from {LEAST:.0%} of the canvas' to all of it, {options.rounds} rounds; "
        "median [quartiles] over the canvas without masks"
    )
    for name in options.models:
        model = timm.create_model(name).to(setting.device).eval()
        convert_padding(model, "partial")
        for canvas in options.canvas:
            for batch in options.batch:
                print(f"{name} {canvas} px, batch {batch}: {report(setting, model, canvas, batch, options.rounds)}")


def report(setting: Setting, model: nn.Module, canvas: int, batch: int, rounds: int) -> str:
    images = torch.randn(batch, 3, canvas, canvas, device=setting.device)
    steps = make_steps(model, images, draw_sizes(canvas, batch))
    # This call compares its batch with single images; the rounds below find that done.
    first = setting.stopwatch(steps[FIXED])
    seconds = interleaved(list(steps), steps.__getitem__, 1 + rounds, setting.stopwatch)
    # The first round builds what the later ones find.
    counted = {step: times[1:] for step, times in seconds.items()}
    lines = [f"canvas {1000 * median(counted[PLAIN]):.0f} ms"]
    lines += [f"  {step:7} {spread(ratios(counted[step], counted[PLAIN]))}" for step in (NULL, FIXED, GROW, SINGLY)]
    lines += [f"  fixed / singly {spread(ratios(counted[FIXED], counted[SINGLY]))}"]
    lines += [f"  check, once a set of sizes: {1000 * (first - median(counted[FIXED])):.0f} ms"]
    return "\n".join(lines)


def draw_sizes(canvas: int, batch: int, seed: int = 0) -> list[tuple[int, int]]:
    """Sides drawn evenly from the shortest to the canvas'; some image reaches its end on each axis, as in a batch."""
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


if __name__ == "__main__":
    main()
