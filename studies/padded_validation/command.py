"""`main.py padded-validation RUNS_FOLDER`: cropped images, padded batches with a mask, and without, image by image."""

from studies import find
from studies.runs.command import Runs


def main(runs: Runs) -> int:
    """Compares the validations of a checkpoint: its images cropped (scenes: alone), padded and masked, or padded only.

    Every pair of validations of a checkpoint on the same images, each made by `main.py validate` and kept in
    RUN/evaluations/: the difference in top-1 with an interval and the exact p of McNemar's test; of scenes the
    difference in mIoU, and the sign test of how many have more pixels right.

    Writes padded_validation.csv and .md.
    """
    todo = "say main.py validate of one with and without --data.eval_padded=true (docs/data.md)"
    return find("padded-validation").show(runs, f"no checkpoint was validated in two ways; {todo}")
