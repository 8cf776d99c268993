"""`main.py accuracy RUNS_FOLDER`: Tables 2, 3 and 5, Figure 1, and the differences from zero padding."""

from studies import find
from studies.runs.command import Runs


def main(runs: Runs) -> int:
    """Each finished run's accuracy or mIoU by its best epoch (Tables 2 and 5) and by its last five (Table 3).

    With mean, difference from zero padding, standard deviation and n; a paired or Welch interval for each difference,
    its p value, and how many seeds would decide it; all runs of all networks in one picture (Figure 1).

    Writes table2_best, table3_last5 (of segmentation runs table5_best and last5) and differences as .csv and .md,
    and figure1.svg.
    """
    return find("accuracy").show(runs, "nothing to compare")
