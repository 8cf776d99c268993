"""`main.py convergence RUNS_FOLDER`: Figure 3, and epochs to each target."""

from functools import partial

from studies.runs.command import Runs


def main(runs: Runs, *, targets: list[float] | None = None) -> int:
    """Draws the mean curve of each scheme, and the band from its lowest to its highest run (Figure 3 of the paper).

    Lists the epochs that the runs took to each target accuracy, with an interval for the difference from zero padding.

    Writes figure3 and epochs_to_target as .csv and .md, and figure3.svg.

    Args:
        targets: target values of the metric in percent; default: those of the runs (--convergence.targets of fit)
    """
    # Imported late: --help need not wait for matplotlib and scipy.
    from studies.convergence import figure
    from studies.convergence.targets import study
    from studies.page.terminal import run_studies

    wanted = partial(study, wanted=targets) if targets else study
    return run_studies(runs, (figure.study, wanted), "nothing to compare")
