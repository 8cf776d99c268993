"""What masks cost: a batch of images of different sizes on one canvas, against the same canvas without masks.

    python benchmarks/masks.py resnet50 --batch 4 --canvas 224 --clock process --rounds 40
    python benchmarks/masks.py resnet50 --batch 4 16 --canvas 64 128 224 --clock process --rounds 15

One network under partial padding, in turns, round after round: the canvas without masks (which reads what is padded,
and so gives other results), the same again (the null pair), with masks by rule `fixed`, by `grow`, and the loop over
single images. The table has medians and quartiles of the ratios to the canvas without masks, over the rounds; then of
`fixed` over the loop. The first batch of a set of sizes is compared with single images, so the cost of that comparison
is on a line of its own.
"""

import argparse
import random
import statistics
import sys
from pathlib import Path

import timm
import torch
from torch import nn

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from benchmarks.options import add_measuring_options, make_stopwatch, ratios, spread
from padding import convert_padding, forward_masked, forward_singly
from studies.timing.interleaved import Step, describe_device, interleaved

PLAIN, NULL, FIXED, GROW, SINGLY = "canvas", "null", "fixed", "grow", "singly"


def main() -> None:
    args = parse_arguments()
    torch.set_num_threads(args.threads)
    device = torch.device(args.device)
    print(f"torch {torch.__version__}, timm {timm.__version__}, {describe_device(device)}, {args.threads} threads")
    print(
        f"partial padding, evaluation, sides from {args.least:.0%} of the canvas' to all of it, {args.rounds} rounds, "
        f"{args.clock} time; median [quartiles] over the canvas without masks"
    )
    for name in args.models:
        model = timm.create_model(name).to(device).eval()
        convert_padding(model, "partial")
        for canvas in args.canvas:
            for batch in args.batch:
                report(name, model, canvas, batch, args)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", help="names of timm models")
    parser.add_argument(
        "--canvas", type=int, nargs="+", default=[224], help="height and width of the canvas, in pixels"
    )
    parser.add_argument("--batch", type=int, nargs="+", default=[4], help="images a step")
    parser.add_argument("--least", type=float, default=0.7, help="shortest side of an image, as a share of the canvas'")
    parser.add_argument("--seed", type=int, default=0, help="of the sizes")
    parser.add_argument("--rounds", type=int, default=30, help="rounds after the first, which is not counted")
    add_measuring_options(parser)
    return parser.parse_args()


def report(name: str, model: nn.Module, canvas: int, batch: int, args: argparse.Namespace) -> None:
    sizes = draw_sizes(canvas, batch, args.least, args.seed)
    images = torch.randn(batch, 3, canvas, canvas, device=args.device)
    steps = make_steps(model, images, sizes)
    stopwatch = make_stopwatch(args)
    # This call compares its batch with single images; the rounds below find that done.
    first = stopwatch(steps[FIXED])
    seconds = interleaved(list(steps), steps.__getitem__, 1 + args.rounds, stopwatch)
    # The first round builds what the later ones find.
    counted = {step: times[1:] for step, times in seconds.items()}
    plain, again = statistics.median(counted[PLAIN]), statistics.median(counted[FIXED])
    print(f"{name} {canvas} px, batch {batch}: canvas {1000 * plain:.0f} ms")
    for step in (NULL, FIXED, GROW, SINGLY):
        print(f"  {step:7} {spread(ratios(counted[step], counted[PLAIN]))}")
    print(f"  fixed / singly {spread(ratios(counted[FIXED], counted[SINGLY]))}")
    print(f"  check, once a set of sizes: {1000 * (first - again):.0f} ms", flush=True)


def draw_sizes(canvas: int, batch: int, least: float, seed: int) -> list[tuple[int, int]]:
    """Sides drawn evenly from the shortest to the canvas'; some image reaches its end on each axis, as in a batch."""
    draw = random.Random(seed)
    heights, widths = ([draw.randint(round(least * canvas), canvas) for _ in range(batch)] for _ in "hw")
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
