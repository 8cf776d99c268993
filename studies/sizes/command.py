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
    """Measures each run's accuracy at other image sizes than that of training.

    The content's scale is kept (the centre of one larger image), or the image is rescaled; the accuracy at the size of
    training is shown, too. Each run is tested under its own scheme, on the images of `test`; records are written to
    RUN/evaluations/ at once: after Ctrl-C the same command continues.

    Writes sizes.csv, .md and .svg.

    Args:
        factors: image sizes, times the size of training; 1 is added if it is missing
        count: number of images, evenly spaced; default: all images of `test`
    """
    # Imported late: --help need not wait for torch.
    from studies.checkpoints.pictures import measure_runs
    from studies.sizes.measure import measure
    from studies.sizes.table import study

    wanted = sorted({1.0, *map(float, factors)})
    return measure_runs(runs, evaluation, study, {"factors": wanted}, count, lambda *of: measure(*of, wanted))
