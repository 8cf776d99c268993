"""What partial padding costs: time of a converted model over time of the same model padded with zeros.

    python benchmarks/padding.py resnet50 vgg16_bn --mode eval --batch 1 --rounds 40
    python benchmarks/padding.py resnet50 --device cuda --compile --mode train --batch 64

Three copies of a model run in turns, round after round: padded with zeros, the same again (the null pair, which shows
what the machine's noise alone makes of a ratio), and padded by the scheme. A round gives one ratio of neighbours in
time; the table has medians and quartiles over the rounds, the first round, which builds ratios, on a line of its own.
Inference of several schemes, first iterations many times over, and a record of every time: `python main.py timing`.
"""

import argparse
import statistics
import sys
from collections.abc import Callable
from pathlib import Path

import timm
import torch
from torch import nn

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from benchmarks.options import add_measuring_options, make_stopwatch, ratios, spread
from padding import available_schemes
from padding.schemes.reweight import forget_ratios
from studies.runs.collect import REFERENCE
from studies.timing.inference import compile_variant, make_variant, variant_names
from studies.timing.interleaved import describe_device, interleaved
from studies.timing.record import NULL


def main() -> None:
    args = parse_arguments()
    torch.set_num_threads(args.threads)
    hardware = describe_device(torch.device(args.device))
    print(f"torch {torch.__version__}, timm {timm.__version__}, {hardware}, {args.threads} threads")
    print(
        f"{args.scheme} over zero, {args.mode}{', compiled' if args.compile else ''}, "
        f"{args.rounds} rounds, {args.clock} time; median [quartiles]"
    )
    for name in args.models:
        for size in args.size:
            for batch in args.batch:
                report(name, size, batch, args)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", help="names of timm models")
    parser.add_argument("--scheme", default="partial", choices=available_schemes())
    parser.add_argument("--mode", default="eval", choices=("eval", "train"), help="forward, or forward and backward")
    parser.add_argument(
        "--size", type=int, nargs="+", default=[224], help="heights and widths of the images, in pixels"
    )
    parser.add_argument("--batch", type=int, nargs="+", default=[1], help="images a step")
    parser.add_argument("--rounds", type=int, default=30, help="rounds after the first")
    parser.add_argument("--warm-up", type=int, default=3, help="rounds after the first that are not counted")
    add_measuring_options(parser)
    parser.add_argument("--compile", action="store_true", help="torch.compile each copy")
    parser.add_argument("--channels-last", action="store_true", help="NHWC memory format")
    parser.add_argument("--amp", action="store_true", help="bfloat16 autocast")
    return parser.parse_args()


def report(name: str, size: int, batch: int, args: argparse.Namespace) -> None:
    steps = {variant: make_step(model, size, batch, args) for variant, model in make_models(name, args).items()}
    stopwatch = make_stopwatch(args)
    # So that the first round builds its ratios, whatever ran before.
    forget_ratios()
    seconds = interleaved(list(steps), steps.__getitem__, 1 + args.warm_up + args.rounds, stopwatch)
    first = {variant: times[0] / seconds[REFERENCE][0] for variant, times in seconds.items()}
    counted = {variant: times[1 + args.warm_up :] for variant, times in seconds.items()}
    zero = counted[REFERENCE]
    print(
        f"{name:>20} {size:4} px  batch {batch:3}  zero {1000 * statistics.median(zero):8.1f} ms"
        f"  {args.scheme} {spread(ratios(counted[args.scheme], zero))}  null {spread(ratios(counted[NULL], zero))}"
        f"  first {first[args.scheme]:.2f} (null {first[NULL]:.2f})",
        flush=True,
    )


def make_models(name: str, args: argparse.Namespace) -> dict[str, nn.Module]:
    model = timm.create_model(name).to(args.device).train(args.mode == "train")
    if args.channels_last:
        model = model.to(memory_format=torch.channels_last)
    models = {variant: make_variant(model, variant)[0] for variant in variant_names([args.scheme])}
    return {variant: compile_variant(each) if args.compile else each for variant, each in models.items()}


def make_step(model: nn.Module, size: int, batch: int, args: argparse.Namespace) -> Callable[[], None]:
    images = torch.randn(batch, 3, size, size, device=args.device)
    if args.channels_last:
        images = images.to(memory_format=torch.channels_last)
    autocast = torch.autocast(args.device.partition(":")[0], dtype=torch.bfloat16, enabled=args.amp)

    def evaluate() -> None:
        with torch.inference_mode(), autocast:
            model(images)

    def train() -> None:
        with autocast:
            loss = model(images).float().square().mean()
        loss.backward()
        model.zero_grad(set_to_none=True)

    return train if args.mode == "train" else evaluate


if __name__ == "__main__":
    main()
