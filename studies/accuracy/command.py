"""`main.py accuracy RUNS_FOLDER`: Tables 2, 3 and 5, Figure 1, and the differences from zero padding."""

from studies import find
from studies.runs.command import Runs


def main(runs: Runs) -> int:
    """Shows each finished run's accuracy or mIoU, by its best epoch (Tables 2 and 5) and its last five (Table 3).

    Each group gets its mean, difference from zero padding, standard deviation and n; each difference a paired or Welch
    interval, its p value, and the number of seeds that would decide it. One picture shows all runs (Figure 1).

    Writes table2_best, table3_last5 (of segmentation runs table5_best and last5) and differences as .csv and .md,
    and figure1.svg.
    """
    return find("accuracy").show(runs, "nothing to compare")
