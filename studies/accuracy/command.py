"""`main.py accuracy RUNS_FOLDER`: Tables 2, 3 and 5, Figure 1, and the differences from zero padding."""

from studies.runs.command import make_parser, run_studies

DESCRIPTION = """\
Each finished run's accuracy or mIoU by its best epoch (Tables 2 and 5 of the paper) and by the average of its last five
(Table 3), with mean, difference from zero padding, standard deviation and n; a paired or Welch interval for each
difference, its p value, and how many seeds would decide it; all runs of all networks in one picture (Figure 1)."""

EPILOG = """\
Writes table2_best, table3_last5 (of segmentation runs table5_best and last5) and differences as .csv and .md,
figure1.svg and differences.svg."""


def main(arguments: list[str]) -> int:
    """Prints and writes the tables; returns the exit status. Raises UserError where there is nothing to report."""
    options = make_parser("accuracy", DESCRIPTION, EPILOG).parse_args(arguments)
    # Imported late: --help need not wait for matplotlib and scipy.
    from studies.accuracy import differences
    from studies.accuracy import figure as figure1
    from studies.accuracy import table as accuracy

    studies = (differences.study, accuracy.study_best, accuracy.study_last5, figure1.study)
    return run_studies(options, studies, "nothing to compare")
