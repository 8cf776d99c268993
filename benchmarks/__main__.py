"""Measures the tables of docs/speed.md on this machine's CPU, in at most 30 minutes: `make bench`.

    python -m benchmarks --minutes 30 --output runs/bench [--only padding loaders]

Compares padding schemes with zero padding, loaders with the recipe of 2018, and our training loop with a plain one;
measures options for speed, the program's own seconds, and what segmentation needs at the paper's sizes. Times are CPU
seconds of the process, measured in turns; a null pair of equal runs shows the noise. The folder gets PART.json and
results.md; the same command continues with incomplete parts.
"""

import argparse
import copy
from collections.abc import Callable, Iterator, Sequence
from itertools import count
from pathlib import Path

import torch
from torch import nn

from benchmarks.border_effects import border_rows
from benchmarks.input_pipeline import loader_rows
from benchmarks.masks import mask_rows
from benchmarks.memory import memory_rows
from benchmarks.parts import Part, Row, Setting, ratios, run_parts, spread
from benchmarks.program import program_rows
from benchmarks.scene_pipeline import scene_rows
from benchmarks.training import loop_rows, option_rows, scheme_rows
from networks.create import create_network
from padding import available_schemes
from padding.reweight import forget_ratios
from studies.runs.collect import REFERENCE
from studies.timing.inference import compile_variant, forward_step, make_variant, variant_names
from studies.timing.interleaved import Step, interleaved
from studies.timing.record import NULL

WARM_UP = 2
"""Rounds before the rounds that count."""


def measured(
    setting: Setting, title: Row, names: Sequence[str], prepare: Callable[[str], Step], rounds: int
) -> Iterator[Row]:
    """Yields a row per step but the reference: its time over the reference's per round, and the null pair's ratio."""
    counted = interleaved(names, prepare, rounds, setting.stopwatch, warm_up=WARM_UP)
    zero = counted[REFERENCE]
    for name, times in counted.items():
        if name not in (REFERENCE, NULL):
            row = title | {"scheme": name, "n": rounds, "zero, ms": round(1000 * sorted(zero)[rounds // 2], 2)}
            row |= {"over zero": spread(ratios(times, zero)), "null": spread(ratios(counted[NULL], zero))}
            yield row | {"_seconds": counted}


def networks_rows(setting: Setting) -> Iterator[Row]:
    """Measures eager inference: small maps, whole networks, batches, layouts, half precision."""
    few = ("partial",)
    all_of_torch = ("partial", "reflect", "replicate", "circular")
    cases = [
        ("tiny_resnet10", 32, 1, "", all_of_torch, 200),
        ("tiny_vgg7_bn", 32, 1, "", all_of_torch, 200),
        ("cifar_resnet18", 32, 1, "", few, 60),
        ("resnet50", 224, 1, "", all_of_torch, 16),
        ("resnet50", 224, 8, "", few, 6),
        ("vgg16_bn", 224, 1, "", few, 8),
        ("resnet50", 224, 1, "channels_last", few, 16),
        ("resnet50", 224, 1, "bf16", few, 10),
    ]
    for name, size, batch, how, schemes, rounds in cases[:1] if setting.tiny else cases:
        layout = torch.channels_last if how == "channels_last" else torch.contiguous_format
        network = create_network(name, 10).eval().to(memory_format=layout)
        images = torch.randn(batch, 3, size, size).contiguous(memory_format=layout)
        names = variant_names(schemes)
        cast = torch.autocast("cpu", torch.bfloat16, enabled=how == "bf16")
        steps = {each: forward_step(cast(make_variant(network, each)[0]), images) for each in names}
        title = {"network": name, "pixels": size, "batch": batch, "how": how or "eager"}
        yield from measured(setting, title, names, steps.__getitem__, 2 if setting.tiny else rounds)


def first_rows(setting: Setting) -> Iterator[Row]:
    """Measures first calls of new networks with an empty cache of ratios, and calls that each have a new size."""
    names = variant_names(["partial"])
    for name, size, rounds in [("tiny_resnet10", 32, 40), ("tiny_vgg7_bn", 32, 40), ("resnet50", 224, 8)]:
        network = create_network(name, 10).eval()
        for call, prepare in (("first", first_call), ("a new size", new_size)):
            title = {"network": name, "pixels": size, "call": call}
            yield from measured(setting, title, names, prepare(network, size), rounds)


def layer_rows(setting: Setting) -> Iterator[Row]:
    """Measures one 3x3 convolution under every scheme, in training and evaluation, on large and on small maps."""
    cases = [(64, 56, True, 15), (64, 56, False, 25), (256, 8, False, 25)]
    names = variant_names([*available_schemes(), "zero,circular"])
    for channels, size, trains, rounds in cases[:1] if setting.tiny else cases:
        layer = nn.Sequential(nn.Conv2d(channels, channels, 3, padding=1)).train(trains)
        images = torch.randn(4, channels, size, size, requires_grad=trains)
        steps = {each: (both_ways if trains else forward_step)(make_variant(layer, each)[0], images) for each in names}
        title = {"map": f"4x{channels}x{size}x{size}", "pass": "training" if trains else "evaluation"}
        yield from measured(setting, title, names, steps.__getitem__, 2 if setting.tiny else rounds)


def both_ways(model: nn.Module, images: torch.Tensor) -> Step:
    def run() -> None:
        output = model(images)
        output.backward(output.detach())

    return run


def first_call(network: nn.Module, size: int) -> Callable[[str], Step]:
    """Makes `prepare(name)`, whose step is the first call of a new model, with an empty cache of ratios."""
    images = torch.randn(1, 3, size, size)

    def prepare(name: str) -> Step:
        model = make_variant(network, name)[0]
        forget_ratios()
        return forward_step(model, images)

    return prepare


def new_size(network: nn.Module, size: int) -> Callable[[str], Step]:
    """Makes `prepare(name)`, whose step is a call with a size that the model has not had."""
    models = {each: make_variant(network, each)[0] for each in variant_names(["partial"])}
    sizes = {each: count(size + 1) for each in models}  # all models get the same sizes, each new to the model

    def prepare(name: str) -> Step:
        side = next(sizes[name])
        return forward_step(models[name], torch.randn(1, 3, side, side))

    return prepare


def compiled_rows(setting: Setting) -> Iterator[Row]:
    """Measures inference with torch.compile, and counts the kernels that inductor generates."""
    from torch._inductor import metrics

    for name, size, rounds in [("cifar_resnet10", 32, 60), ("resnet18", 224, 20)]:
        network, images, kernels, steps = create_network(name, 10).eval(), torch.randn(1, 3, size, size), {}, {}
        for each in variant_names(["partial"]):
            metrics.reset()
            steps[each] = forward_step(compile_variant(copy.deepcopy(make_variant(network, each)[0])), images)
            steps[each]()
            kernels[each] = metrics.generated_kernel_count
        title = {"network": name, "pixels": size}
        for row in measured(setting, title, list(steps), steps.__getitem__, rounds):
            yield row | {"kernels, zero": kernels[REFERENCE], "kernels": kernels[row["scheme"]]}


PARTS = [
    Part("program", "The program: CPU seconds and peak memory", program_rows, 0.35),
    Part("padding", "Padding, inference: CPU time over zero padding's", networks_rows, 0.4),
    Part("first", "Padding, first calls: CPU time over zero padding's", first_rows, 0.3),
    Part("layers", "Padding, one convolution: CPU time over zero padding's", layer_rows, 0.3),
    Part(
        "border", "Padding, untrained: the border's strength, and memory kept for the backward pass", border_rows, 0.3
    ),
    Part("masks", "Masks, inference: CPU time over the canvas without masks", mask_rows, 0.4),
    Part("steps", "Padding, training steps: CPU time and kept memory over zero padding's", scheme_rows, 0.3),
    Part("compiled", "Padding, compiled inference: CPU time over zero padding's", compiled_rows, 0.4),
    Part("loop", "Our training loop: steps a CPU second over other loops'", loop_rows, 0.4),
    Part("loaders", "Loaders: images a CPU second over the recipe of 2018", loader_rows, 0.5),
    Part("scenes", "Loaders: scenes a CPU second over the recipe of 2018", scene_rows, 0.5),
    Part("options", "Options for speed: training steps of partial padding a CPU second, over none", option_rows, 0.9),
    Part("memory", "DeepLabV3+ at the paper's sizes: CPU seconds and peak memory", memory_rows, 1.0),
]


def main(arguments: list[str] | None = None) -> int:
    names = [part.name for part in PARTS]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=30, help="for all of it (default: %(default)s)")
    parser.add_argument("--output", type=Path, default=Path("runs/bench"), help="folder of the results")
    parser.add_argument("--data", type=Path, help="images of the loaders, train/CLASS/* (default: the sample data)")
    parser.add_argument("--scenes", type=Path, help="scenes in Cityscapes' layout (default: the sample data)")
    parser.add_argument("--only", nargs="+", choices=names, default=names, help="these tables alone")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    chosen = [part for part in PARTS if part.name in options.only]
    setting = Setting(torch.device("cpu"), options.output, data=options.data, scenes=options.scenes)
    return run_parts(chosen, setting, options.minutes)


if __name__ == "__main__":
    raise SystemExit(main())
