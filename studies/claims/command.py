"""`main.py claims RUNS_FOLDER`: the claims of the paper and of others, and what these runs say of each."""

from studies import find
from studies.runs.command import Runs


def main(runs: Runs) -> int:
    """Each claim of the paper in a line, then those of others: where it stands, the study that tests it, what runs say.

    It is supported, contradicted, or not yet decidable with so many runs. Claims that need a trained network (Table 4,
    Figures 4 and 5), a measurement of time (Table 1) or tested segmentation networks (Tables 6 and 7) are read from
    what those studies kept; those of other papers from what `location`, `probe`, `sizes` and `border-error` kept.

    Writes claims and claims_evidence as .csv and .md.
    """
    return find("claims").show(runs, "nothing to test a claim with")
