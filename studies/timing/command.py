"""`main.py timing`: Table 1 of the paper, inference time under each padding scheme, of any timm models."""

import argparse
import shlex
import sys
from collections.abc import Callable
from pathlib import Path

from rich.console import Console

from studies.runs.command import cannot_write, say, show_sections

DESCRIPTION = """\
Measure Table 1 of the paper on this machine: the time of one inference under zero padding, under zero padding a second
time (the null pair, which shows what the machine's noise makes of no difference) and under each scheme, first and later
iterations. Schemes take turns, in an order shuffled in each round; ratios are those of times of the same round.

The first iteration is the first forward pass of a network built anew, after other copies have run at this size: what
the scheme keeps for later iterations is not there yet, and a compiled network is compiled within it."""

EPILOG = """\
Writes timing.json (every measured time; it replaces an earlier one only when all is measured), table1_timing.csv, .md
and .svg. `main.py report RUNS_FOLDER` shows what lies in RUNS_FOLDER/timing or a folder in it, such as timing/gpu.
exit status: 0; 1 if a network or a scheme could not be measured, which is named, the rest being reported; 2 for bad
input or where nothing could be measured; 130 if interrupted, nothing being written."""

NETWORKS = ("vgg16_bn", "resnet50")
SCHEMES = ("partial", "reflect", "replicate")
MODES = ("eager", "compiled")
CLOCKS = ("wall", "process")
PRECISIONS = ("32-true", "bf16-mixed", "16-mixed")


def main(arguments: list[str]) -> int:
    """Measures, writes and prints; returns the exit status. Raises UserError where nothing can be measured."""
    options = make_parser().parse_args(arguments)
    file = options.output / "timing.json"
    # Imported late: --help need not wait for torch.
    from studies.timing.measure import check, measure
    from studies.timing.table import section

    try:
        options.output.mkdir(parents=True, exist_ok=True)
        record = measure(check(options, file))
        record.write(file)
        found = section([record], options.output)
    except KeyboardInterrupt:
        print(f"interrupted: nothing written to {options.output}", file=sys.stderr)
        return 130
    except OSError as error:
        raise cannot_write(options.output, error) from None
    console = Console()
    show_sections(console, [found])
    for written in (file, *found.files):
        say(console, f"wrote {shlex.quote(str(written))}")
    return 1 if record.failed else 0


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="main.py timing",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--networks", nargs="+", default=NETWORKS, metavar="NAME", help=f"timm models; default: {' '.join(NETWORKS)}")
    add("--schemes", nargs="+", default=SCHEMES, metavar="NAME", help=f"beside zero; default: {' '.join(SCHEMES)}")
    add("--sizes", nargs="+", type=parse_size, default=[(224, 224)], metavar="PIXELS", help="224 (default) or 480x640")
    add("--modes", nargs="+", choices=MODES, help="default: eager, on a GPU compiled, too; on a CPU that takes minutes")
    add("--batch-size", type=at_least(1), default=1, metavar="N", help="images an inference; default: 1")
    add("--device", help="cpu, cuda, cuda:1, mps; default: a GPU if there is one")
    add("--threads", type=at_least(1), metavar="N", help="CPU threads within an operation; default: torch's")
    add("--precision", choices=PRECISIONS, default="32-true", help="as the Trainer's; default: 32-true")
    add("--channels-last", action="store_true", help="NHWC memory format")
    add(
        "--clock", choices=CLOCKS, default="wall", help="process: CPU seconds of this process, on a CPU that others use"
    )
    add("--rounds", type=at_least(2), default=30, metavar="N", help="of later iterations; default: 30")
    add(
        "--first-rounds",
        type=at_least(2),
        default=6,
        metavar="N",
        help="of first iterations; default: 6, the fewest that give an interval",
    )
    add("--warm-up", type=at_least(1), default=3, metavar="N", help="later rounds that are not counted; default: 3")
    add("--seed", type=int, default=0, metavar="N", help="of the order within each round; default: 0")
    add("--output", type=Path, default=Path("runs/timing"), metavar="DIR", help="where to write; default: runs/timing")
    return parser


def parse_size(text: str) -> tuple[int, int]:
    """Height and width in pixels, from `224` or `480x640`."""
    height, by, width = text.partition("x")
    sides = (height, width) if by else (height, height)
    if not all(side.isdecimal() and int(side) > 0 for side in sides):
        raise argparse.ArgumentTypeError(f"'{text}' is no image size; give pixels: 224, or height x width: 480x640")
    return int(sides[0]), int(sides[1])


def at_least(lowest: int) -> Callable[[str], int]:
    """Parses an integer that is not below `lowest`."""

    def parse(text: str) -> int:
        if not text.isdecimal() or int(text) < lowest:
            raise argparse.ArgumentTypeError(f"'{text}' is no whole number of {lowest} or more")
        return int(text)

    return parse
