"""`main.py position RUNS_FOLDER`: accuracy by the position of an object on an empty canvas."""

from jsonargparse.typing import PositiveInt, restricted_number_type

from studies.checkpoints.options import EvaluationOptions
from studies.runs.command import Runs

AtLeastThree = restricted_number_type("AtLeastThree", int, (">=", 3))


def main(runs: Runs, evaluation: EvaluationOptions, *, grid: AtLeastThree = 5, count: PositiveInt | None = None) -> int:
    """Accuracy of each run by the position of a small object, by padding scheme (Islam et al. 2024).

    Each image is shrunk to a third and pasted on a grid of positions of a black, white and mean canvas. A network that
    did not know where it looks would be as good everywhere. Each run under its own scheme, on the reported images;
    records go to RUN/evaluations/ as soon as they are there: after Ctrl-C the same command continues.

    Writes position.csv, .md and .svg.

    Args:
        grid: positions a side, 3 at least
        count: images, spread evenly; default: all reported ones
    """
    # Imported late: --help need not wait for torch.
    from studies.checkpoints.pictures import measure_runs
    from studies.position.measure import measure
    from studies.position.table import study

    return measure_runs(runs, evaluation, study, {"grid": grid}, count, lambda *of: measure(*of, grid))
