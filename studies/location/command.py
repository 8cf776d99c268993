"""`main.py location`: the red-green test of absolute location, under every padding scheme."""

from pathlib import Path

from jsonargparse.typing import PositiveInt
from rich.console import Console

from processes.cores import cores
from records.atomic import check_writable
from studies.runs.command import ANOTHER_OUTPUT, say


def main(
    *,
    schemes: list[str] | None = None,
    seeds: PositiveInt = 5,
    images: PositiveInt = 1000,
    epochs: PositiveInt = 10,
    jobs: PositiveInt | None = None,
    output: Path = Path("runs/location"),
) -> int:
    """Runs the red-green test: does a network use where something is instead of what it is? (Kayhan, van Gemert 2020.)

    In training images, red left of green is always in the upper half, green left of red in the lower. Tests have the
    halves as in training (similar), or swapped (dissimilar), where location alone gives the wrong class. A network of
    four convolutions, drawn images, minutes on a CPU; the published values are shown beside ours.

    Writes location.json after every network: after Ctrl-C the same command continues. Then location.csv, .md and .svg.
    `main.py report RUNS_FOLDER` shows what lies in RUNS_FOLDER/location.

    Args:
        schemes: padding schemes, valid (none) or full (zeros around every window); default: all
        seeds: networks per scheme; a seed has the same weights, images and order under every scheme
        images: images per training
        epochs: epochs per training
        jobs: networks trained at a time; default: the number of CPU cores
        output: folder for the results
    """
    check_writable(output, ANOTHER_OUTPUT)
    # Imported late: --help need not wait for torch.
    from padding import available_schemes
    from studies.location.measure import check, measure
    from studies.location.record import FULL, VALID
    from studies.location.table import section
    from studies.page.terminal import show_measured

    console, file = Console(), output / "location.json"
    wanted = check(schemes or [VALID, *available_schemes(), FULL])
    record = measure(file, wanted, seeds, images, epochs, jobs or cores(), lambda text: say(console, text))
    show_measured(section([record], output), file)
    return 1 if record.failed else 0
