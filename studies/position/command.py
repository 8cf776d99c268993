"""`main.py position RUNS_FOLDER`: accuracy by the position of an object on an empty canvas."""

from jsonargparse.typing import PositiveInt, restricted_number_type

from studies.checkpoints.options import EvaluationOptions
from studies.runs.command import Runs

AtLeastThree = restricted_number_type("AtLeastThree", int, (">=", 3))


def main(runs: Runs, evaluation: EvaluationOptions, *, grid: AtLeastThree = 5, count: PositiveInt | None = None) -> int:
    """Measures each run's accuracy by the position of a small object (Islam et al. 2024).

    Each image is shrunk to a third and pasted at a grid of positions on a black, white and mean canvas. A network
    without position information would be as good everywhere. Each run is tested under its own scheme, on the images of
    `test`; records are written to RUN/evaluations/ at once: after Ctrl-C the same command continues.

    Writes position.csv, .md and .svg.

    Args:
        grid: positions per side, at least 3
        count: number of images, evenly spaced; default: all images of `test`
    """
    # Imported late: --help need not wait for torch.
    from studies.checkpoints.pictures import measure_runs
    from studies.position.measure import measure
    from studies.position.table import study

    return measure_runs(runs, evaluation, study, {"grid": grid}, count, lambda *of: measure(*of, grid))
