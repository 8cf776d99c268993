"""`main.py sizes RUNS_FOLDER`: accuracy at other image sizes than that of training."""

from jsonargparse.typing import PositiveFloat, PositiveInt

from studies.checkpoints.options import EvaluationOptions
from studies.runs.command import Runs


def main(
    runs: Runs,
    evaluation: EvaluationOptions,
    *,
    factors: tuple[PositiveFloat, ...] = (0.5, 0.75, 1, 1.25, 1.5, 2),
    count: PositiveInt | None = None,
) -> int:
    """Accuracy of each run at other image sizes than that of training, by padding scheme.

    With the content's scale kept (the centre of one larger image) and with the image rescaled; beside it the accuracy
    at the size of training. Each run under its own scheme, on the reported images; records go to RUN/evaluations/ as
    soon as they are there: after Ctrl-C the same command continues.

    Writes sizes.csv, .md and .svg.

    Args:
        factors: times the size of training; 1 is added where it is missing
        count: images, spread evenly; default: all reported ones
    """
    # Imported late: --help need not wait for torch.
    from studies.checkpoints.pictures import measure_runs
    from studies.sizes.measure import measure
    from studies.sizes.table import study

    wanted = sorted({1.0, *map(float, factors)})
    return measure_runs(runs, evaluation, study, {"factors": wanted}, count, lambda *of: measure(*of, wanted))
