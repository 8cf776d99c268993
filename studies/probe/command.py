"""`main.py probe RUNS_FOLDER`: how well absolute position can be read from the maps of a frozen network."""

from jsonargparse.typing import PositiveInt

from studies.checkpoints.options import EvaluationOptions
from studies.runs.command import Runs


def main(runs: Runs, evaluation: EvaluationOptions, *, count: PositiveInt = 200) -> int:
    """Measures how well absolute position can be read from the frozen maps of each run (Islam et al. 2020).

    Measures mean and variance of each normalisation's input by the distance to the border, too.

    A linear 3x3 readout of five stages, fitted on half of the images by least squares to horizontal, vertical and
    Gaussian position, is tested on the other half, and on black, white and noise. Each run is under its own scheme;
    records are written to RUN/evaluations/ at once: after Ctrl-C the same command continues.

    Writes probe and rings, each as .csv, .md and .svg.

    Args:
        count: number of images of `test`, evenly spaced; half of them fit the readout
    """
    # Imported late: --help need not wait for torch.
    from studies.checkpoints.pictures import measure_runs
    from studies.probe.measure import measure, rings
    from studies.probe.rings import study as study_rings
    from studies.probe.table import study

    # Tells the records from older ones, which halved each batch and left out the last stage.
    how = {"fitted": "every other image", "stages": "first to last"}
    status = measure_runs(runs, evaluation, study, how, count, measure)
    return max(status, measure_runs(runs, evaluation, study_rings, {}, count, rings))
