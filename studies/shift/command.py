"""`main.py shift RUNS_FOLDER`: how often the decision changes with the position of the crop."""

from jsonargparse.typing import PositiveInt

from studies.checkpoints.options import EvaluationOptions
from studies.runs.command import Runs


def main(
    runs: Runs,
    evaluation: EvaluationOptions,
    *,
    passes: PositiveInt = 5,
    count: PositiveInt | None = None,
    seed: int = 0,
) -> int:
    """Measures how often each run's decision changes when its crop moves by a few pixels.

    Images are resized to 9/7 of the size of training (288 for 224). Consistency is the share of images with the same
    decision for two crops at random offsets (Zhang 2019), and for two circular shifts of the central crop; accuracy and
    probability of the right class are measured along the diagonal. Each run is tested under its own scheme, on the
    images of `test`; records are written to RUN/evaluations/ at once: after Ctrl-C the same command continues.

    Writes shift.csv, .md and .svg.

    Args:
        passes: pairs of crops per image
        count: number of images, evenly spaced; default: all images of `test`
        seed: seed of the offsets, which depend on it and on the image's number alone
    """
    # Imported late: --help need not wait for torch.
    from studies.checkpoints.pictures import measure_runs
    from studies.shift.measure import measure
    from studies.shift.table import study

    # Tells the records from older ones, whose offsets were drawn per batch.
    how = {"passes": passes, "seed": seed, "offsets": "by image"}
    return measure_runs(runs, evaluation, study, how, count, lambda *of: measure(*of, passes, seed))
