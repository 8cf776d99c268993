"""`main.py claims RUNS_FOLDER`: the claims of the paper and of others, and what these runs say of each."""

from studies import find
from studies.runs.command import Runs


def main(runs: Runs) -> int:
    """Shows each claim of the paper and of others in a row: its place in the paper, what the runs say, and its study.

    A claim is supported, contradicted, or not yet decidable with so many runs. Claims that need a trained network
    (Table 4, Figure 5), a measurement of time (Table 1) or tested segmentation networks (Tables 6 and 7) are decided by
    the records of those studies; claims of other papers by those of `location`, `probe`, `sizes`, `border-error`,
    `segmentation --seams` and `geometry`.

    Writes claims and claims_evidence as .csv and .md.
    """
    return find("claims").show(runs, "nothing to test a claim with")
