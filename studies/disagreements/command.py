"""`main.py disagreements RUNS_FOLDER`: images that all runs of one scheme get wrong and all of another right."""

from functools import partial

from records.errors import UserError
from studies.checkpoints.options import EvaluationOptions, check_schemes
from studies.runs.collect import PARTIAL, REFERENCE
from studies.runs.command import Runs


def main(runs: Runs, evaluation: EvaluationOptions, *, wrong: str = REFERENCE, right: str = PARTIAL) -> int:
    """Finds the images of Figure 4: every run of one padding scheme gets them wrong and every run of another right.

    Counts the opposite, too, and the number to expect if schemes did not matter. Each checkpoint is evaluated under its
    own scheme, on the images of `test`, unless there is a record of it, and each result is written to RUN/evaluations/
    at once: after Ctrl-C the same command continues.

    Writes figure4.csv and .md (the images), figure4_counts.csv and .md, and figure4.png.

    Args:
        wrong: scheme whose runs are all wrong
        right: scheme whose runs are all right
    """
    collection = runs.collect()
    pair = check_schemes([wrong, right])
    if len(pair) < 2:
        raise UserError(f"--wrong and --right are both {wrong}; name two schemes")
    if absent := [scheme for scheme in pair if scheme not in collection.schemes]:
        raise UserError(f"{runs.folder} holds no finished run with {absent[0]} padding; choose --wrong and --right")
    # Imported late: --help need not wait for torch.
    from studies.checkpoints.missing import evaluate_and_show
    from studies.disagreements.table import study

    return evaluate_and_show(
        runs,
        evaluation,
        [(run, run.record.padding) for run in collection.runs if run.record.padding in pair],
        partial(study, wrong=wrong, right=right, checkpoint=evaluation.checkpoint),
        "no network has evaluated classification runs of both schemes",
    )
