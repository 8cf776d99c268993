"""`main.py convergence RUNS_FOLDER`: Figure 3, epochs to each target, and the area between the curves."""

from functools import partial

from studies.runs.command import Runs


def main(runs: Runs, *, targets: list[float] | None = None) -> int:
    """The mean curve of each scheme and the band from its lowest to its highest run (Figure 3 of the paper).

    Also the epochs that the runs took to each target accuracy, with an interval for the difference from zero padding;
    the area between the curves, which needs no target; and how far the curves fall back from epoch to epoch.

    Writes figure3, epochs_to_target and area_between_curves as .csv, the latter two as .md, and figure3.svg.

    Args:
        targets: values of the metric to reach, in percent; default: those of the runs (--convergence.targets of fit)
    """
    # Imported late: --help need not wait for matplotlib and scipy.
    from studies.convergence import area, figure
    from studies.convergence.targets import study
    from studies.page.terminal import run_studies

    wanted = partial(study, wanted=targets) if targets else study
    return run_studies(runs, (figure.study, wanted, area.study), "nothing to compare")
