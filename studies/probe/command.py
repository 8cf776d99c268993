"""`main.py probe RUNS_FOLDER`: how well absolute position can be read from the maps of a frozen network."""

from jsonargparse.typing import PositiveInt

from studies.checkpoints.options import EvaluationOptions
from studies.runs.command import Runs


def main(runs: Runs, evaluation: EvaluationOptions, *, count: PositiveInt = 200) -> int:
    """How well absolute position can be read from the frozen maps of each run, by padding scheme (Islam et al. 2020).

    Beside it, mean and variance of what enters each normalisation, by the distance to the border.

    A linear 3x3 readout of five stages, fitted on half of the images by least squares to horizontal, vertical and
    Gaussian position, is tested on the other half, and on black, white and noise. Each run under its own scheme;
    records go to RUN/evaluations/ as soon as they are there: after Ctrl-C the same command continues.

    Writes probe and rings, each as .csv, .md and .svg.

    Args:
        count: images, spread evenly over the reported ones; half of them fit the readout
    """
    # Imported late: --help need not wait for torch.
    from studies.checkpoints.pictures import measure_runs
    from studies.probe.measure import measure, rings
    from studies.probe.rings import study as study_rings
    from studies.probe.table import study

    # Apart from records whose halves were those of each batch, and whose stages were without the last.
    how = {"fitted": "every other image", "stages": "first to last"}
    status = measure_runs(runs, evaluation, study, how, count, measure)
    return max(status, measure_runs(runs, evaluation, study_rings, {}, count, rings))
