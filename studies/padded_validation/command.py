"""`main.py padded-validation RUNS_FOLDER`: cropped images against padded batches, with and without a mask."""

from studies import find
from studies.runs.command import Runs


def main(runs: Runs) -> int:
    """Compares validations of a checkpoint: images cropped (scenes: one by one), padded and masked, or padded only.

    Takes every pair of validations on the same images that `main.py validate` has written to RUN/evaluations/. Shows
    the difference in top-1 with an interval and the exact p of McNemar's test; for scenes the difference in mIoU, and
    the sign test of how many have more pixels right.

    Writes padded_validation.csv and .md.
    """
    todo = "say main.py validate of one with and without --data.eval_padded=true (docs/data.md)"
    return find("padded-validation").show(runs, f"no checkpoint was validated in two ways; {todo}")
