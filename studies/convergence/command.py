"""`main.py convergence RUNS_FOLDER`: Figure 3, epochs to each target, and the area between the curves."""

from studies.runs.command import make_parser, run_studies

DESCRIPTION = """\
The mean curve of each scheme and the band from its lowest to its highest run (Figure 3 of the paper); the epochs that
the runs took to each target accuracy, with an interval for the difference from zero padding; the area between the
curves, which needs no target; and how far the curves fall back from epoch to epoch."""

EPILOG = """\
Targets are those of the runs (--convergence.targets of fit); --targets asks for others.
Writes figure3, epochs_to_target and area_between_curves as .csv, the and figure3.svg."""


def main(arguments: list[str]) -> int:
    """Prints and writes the study; returns the exit status. Raises UserError where there is nothing to report."""
    parser = make_parser("convergence", DESCRIPTION, EPILOG)
    parser.add_argument("--targets", type=float, nargs="+", metavar="PERCENT", help="values of the metric to reach")
    options = parser.parse_args(arguments)
    # Imported late: --help need not wait for matplotlib and scipy.
    from functools import partial

    from studies.convergence import area, targets
    from studies.convergence import figure as convergence

    wanted = partial(targets.study, wanted=options.targets) if options.targets else targets.study
    return run_studies(options, (convergence.study, wanted, area.study), "nothing to compare")
