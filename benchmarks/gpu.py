"""Measures everything that needs a machine with one CUDA GPU, by one command: tests, speed, CIFAR-10.

    python -m benchmarks.gpu --minutes 25 --output runs/gpu [--cifar10 data/cifar10] [--only steps cifar10]

(1) the tests marked `gpu`; (2) Table 1 eager, with CUDA graphs and compiled, training steps and peak memory by scheme,
options for speed, and our training loop against plain loops of PyTorch and timm; (3) with the time left, CIFAR-10 over
schemes x seeds. The folder gets PART.json and results.md; the same command continues with incomplete parts. Without a
GPU it rehearses on the CPU, and names what it leaves out. Needs torch 2.6 or later, from any installation.
"""

import argparse
import os
import statistics
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from xml.etree import ElementTree

# Makes torch look for GPUs through NVML, which does not start CUDA: forks of a process that started CUDA fail.
os.environ.setdefault("PYTORCH_NVML_BASED_CUDA_CHECK", "1")

import torch

from benchmarks import cifar10
from benchmarks.masks import mask_rows
from benchmarks.memory import memory_rows
from benchmarks.parts import Part, Row, Setting, run_parts
from benchmarks.training import loop_rows, option_rows, scheme_rows
from studies.runs.collect import REFERENCE
from studies.stats.intervals import median_interval
from studies.timing.lines import lines
from studies.timing.measure import check, measure
from studies.timing.options import Options
from studies.timing.record import COMPILED, EAGER, GRAPHS

ROOT = Path(__file__).resolve().parents[1]
ONLY_CUDA = "needs a CUDA GPU"
SCHEMES = ("partial", "reflect", "replicate", "circular")


def tests(setting: Setting, chosen: tuple[str, ...]) -> Iterator[Row]:
    """Yields the counts of outcomes per test file, then each test that did not pass: name, outcome and reason."""
    for path in chosen:
        for file in sorted((ROOT / path).glob("test_*.py")) or [path]:
            yield from _of_file(str(file), setting.folder / "tests.xml")


def _of_file(file: str, report: Path) -> Iterator[Row]:
    command = [sys.executable, "-m", "pytest", "-q", "-m", "gpu", file, f"--junitxml={report}", "--tb=short"]
    subprocess.run(command, cwd=ROOT, check=False)
    found = []
    for case in ElementTree.parse(report).iter("testcase"):
        what = next((each for each in case if each.tag in ("failure", "error", "skipped")), None)
        outcome, why = ("passed", "") if what is None else (what.tag, what.get("message", ""))
        found.append({"test": case.get("name"), "outcome": outcome, "why": " ".join(why.split())[:200]})
    counts = Counter(each["outcome"] for each in found)
    yield {"test": Path(file).name, "outcome": ", ".join(f"{n} {outcome}" for outcome, n in counts.items())}
    yield from sorted((each for each in found if each["outcome"] != "passed"), key=lambda each: each["outcome"])


def table1(setting: Setting, mode: str, networks: tuple[str, ...]) -> Iterator[Row]:
    """Measures inference of the schemes over zero padding; also writes timing.json, which `main.py report` shows."""
    for network in ("tiny_resnet10",) if setting.tiny else networks:
        output = setting.folder / "timing" / f"{network}-{mode}"
        # Compiling takes half a minute per copy of the network.
        few = {"schemes": SCHEMES[:1], "rounds": 10, "first_rounds": 2} if mode == COMPILED or setting.tiny else {}
        few |= {"rounds": 2, "sizes": ("32",), "warm_up": 1} if setting.tiny else {}
        options = Options(
            **{"schemes": SCHEMES, "rounds": 50, "first_rounds": 10, **few},
            networks=(network,),
            modes=[mode],
            device=str(setting.device),
            output=output,
        )
        record = measure(check(options, output / "timing.json"))
        record.write(output / "timing.json")
        for line in lines(record):
            interval = median_interval(line.relative) if line.scheme != REFERENCE else None
            row = {"network": network, "mode": mode, "scheme": line.scheme, "iteration": line.iteration}
            row |= {"n": len(line.seconds), "ms": round(1000 * statistics.median(line.seconds), 3)}
            row["% of zero"] = round(statistics.median(line.relative), 2)
            row["95 % interval"] = "{:.2f} to {:.2f}".format(*interval) if interval else ""
            yield row | {"paper": line.paper["relative"] if line.paper else ""}


def parts(setting: Setting, chosen: tuple[str, ...]) -> list[Part]:
    """The parts, the most needed first; CIFAR-10 gets all the time that is left."""
    cuda = setting.device.type == "cuda"
    on_cuda, both = "" if cuda else ONLY_CUDA, ("resnet50", "vgg16_bn")
    here = "a GPU" if cuda else "this CPU (a rehearsal)"
    return [
        Part("tests", f"Tests on {here}", partial(tests, chosen=chosen), 0.3),
        Part("table1", "Table 1, eager: inference", partial(table1, mode=EAGER, networks=both), 0.2),
        Part("graphs", "Table 1, CUDA graphs", partial(table1, mode=GRAPHS, networks=both), 0.2, on_cuda),
        Part("steps", "Training steps and memory by scheme", scheme_rows, 0.25),
        Part("loop", "Our training loop: steps a second over other loops'", loop_rows, 0.25),
        Part("compiled", "Table 1, compiled", partial(table1, mode=COMPILED, networks=both), 0.35, on_cuda),
        Part("options", "Options for speed, training steps of partial padding", option_rows, 0.25),
        Part("masks", "Masks, inference: time over the canvas without masks", mask_rows, 0.1),
        Part("memory", "DeepLabV3+ at the paper's sizes: seconds and peak memory", memory_rows, 0.1),
        cifar10.part(setting),
    ]


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=25, help="for all of it (default: %(default)s)")
    parser.add_argument("--output", type=Path, default=Path("runs/gpu"), help="folder of the results")
    parser.add_argument("--cifar10", type=Path, default=Path("data/cifar10"), help="train/CLASS/* and val/CLASS/*")
    parser.add_argument("--tests", nargs="+", default=["tests/gpu"], metavar="PATH", help="tests to run")
    parser.add_argument("--only", nargs="+", metavar="PART", help="these parts alone, by the names of their files")
    options = parser.parse_args(arguments)
    if tuple(map(int, torch.__version__.split(".")[:2])) < (2, 6):
        parser.error(f"torch {torch.__version__} is too old; 2.6 or later is needed")
    cuda = torch.cuda.is_available()
    setting = Setting(torch.device("cuda" if cuda else "cpu"), options.output, not cuda, options.cifar10)
    if not cuda:
        print("no CUDA GPU: everything is tiny, to rehearse; what needs one is skipped and named")
    found = {part.name: part for part in parts(setting, tuple(options.tests))}
    if unknown := set(options.only or ()) - found.keys():
        parser.error(f"no part is called {', '.join(sorted(unknown))}; there are {', '.join(found)}")
    return run_parts([found[name] for name in options.only or found], setting, options.minutes)


if __name__ == "__main__":
    raise SystemExit(main())
