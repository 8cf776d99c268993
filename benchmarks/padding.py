"""What partial padding costs: time of a converted model over time of the same model padded with zeros.

    python benchmarks/padding.py resnet50 vgg16_bn --mode eval --batch 1 --rounds 40
    python benchmarks/padding.py resnet50 --device cuda --compile --mode train --batch 64

Three copies of a model run in turns, round after round: padded with zeros, the same again (the null pair, which shows
what the machine's noise alone makes of a ratio), and padded by the scheme. A round gives one ratio of neighbours in
time; the table has medians and quartiles over the rounds, the first round, which builds ratios, on a line of its own.
"""

import argparse
import copy
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import timm
import torch
from torch import nn

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from padding import available_schemes, convert_padding

VARIANTS = ("zero", "null", "scheme")


def main() -> None:
    args = parse_arguments()
    torch.set_num_threads(args.threads)
    print(f"torch {torch.__version__}, timm {timm.__version__}, {describe_device(args.device)}, {args.threads} threads")
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
    parser.add_argument("--device", default="cpu", help="cpu, cuda, mps")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads within an operation")
    parser.add_argument(
        "--clock",
        default="wall",
        choices=("wall", "process"),
        help="process: CPU seconds of this process, steadier on a machine shared with others; for --device cpu only",
    )
    parser.add_argument("--compile", action="store_true", help="torch.compile each copy")
    parser.add_argument("--channels-last", action="store_true", help="NHWC memory format")
    parser.add_argument("--amp", action="store_true", help="bfloat16 autocast")
    return parser.parse_args()


def describe_device(device: str) -> str:
    if device.startswith("cuda"):
        return torch.cuda.get_device_name(device)
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), device)


def report(name: str, size: int, batch: int, args: argparse.Namespace) -> None:
    steps = {variant: make_step(model, size, batch, args) for variant, model in make_models(name, args).items()}
    first = one_round(steps, 0, args)
    rounds = [one_round(steps, number, args) for number in range(1, args.warm_up + args.rounds + 1)]
    rounds = rounds[args.warm_up :]
    milliseconds = 1000 * statistics.median(seconds["zero"] for seconds in rounds)
    ratios = {variant: [seconds[variant] / seconds["zero"] for seconds in rounds] for variant in ("scheme", "null")}
    print(
        f"{name:>20} {size:4} px  batch {batch:3}  zero {milliseconds:8.1f} ms"
        f"  {args.scheme} {spread(ratios['scheme'])}  null {spread(ratios['null'])}"
        f"  first {first['scheme'] / first['zero']:.2f} (null {first['null'] / first['zero']:.2f})",
        flush=True,
    )


def make_models(name: str, args: argparse.Namespace) -> dict[str, nn.Module]:
    model = timm.create_model(name).to(args.device).train(args.mode == "train")
    if args.channels_last:
        model = model.to(memory_format=torch.channels_last)
    models = {variant: copy.deepcopy(model) for variant in VARIANTS}
    convert_padding(models["scheme"], args.scheme)
    return {variant: torch.compile(each) if args.compile else each for variant, each in models.items()}


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


def one_round(steps: dict[str, Callable[[], None]], number: int, args: argparse.Namespace) -> dict[str, float]:
    """Seconds of each variant, in an order that rotates from round to round."""
    order = [VARIANTS[(number + place) % len(VARIANTS)] for place in range(len(VARIANTS))]
    return {variant: timed(steps[variant], args) for variant in order}


def timed(step: Callable[[], None], args: argparse.Namespace) -> float:
    clock = time.process_time if args.clock == "process" else time.perf_counter
    synchronise(args.device)
    start = clock()
    step()
    synchronise(args.device)
    return clock() - start


def synchronise(device: str) -> None:
    if device.startswith("cuda"):
        torch.cuda.synchronize(device)
    elif device == "mps":
        torch.mps.synchronize()


def spread(values: list[float]) -> str:
    low, middle, high = statistics.quantiles(values, n=4)
    return f"{middle:.3f} [{low:.3f}, {high:.3f}]"


if __name__ == "__main__":
    main()
