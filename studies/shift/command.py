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
    """How often each run's decision changes when its crop moves by a few pixels, by padding scheme.

    Images are resized to 9/7 of the size of training (288 for 224). Consistency: the share of images with the same
    decision for two crops at random offsets (Zhang 2019), and for two circular shifts of the central crop; beside it
    accuracy and probability of the right class along the diagonal. Each run under its own scheme, on the reported
    images; records go to RUN/evaluations/ as soon as they are there: after Ctrl-C the same command continues.

    Writes shift.csv, .md and .svg.

    Args:
        passes: pairs of crops an image
        count: images, spread evenly; default: all reported ones
        seed: of the offsets, which depend on it and on the image's number alone
    """
    # Imported late: --help need not wait for torch.
    from studies.checkpoints.pictures import measure_runs
    from studies.shift.measure import measure
    from studies.shift.table import study

    # Apart from records whose offsets were drawn a batch at a time.
    how = {"passes": passes, "seed": seed, "offsets": "by image"}
    return measure_runs(runs, evaluation, study, how, count, lambda *of: measure(*of, passes, seed))
