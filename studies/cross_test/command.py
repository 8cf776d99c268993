"""`main.py cross-test RUNS_FOLDER`: every checkpoint under every padding scheme."""

from functools import partial

from records.errors import UserError
from studies.checkpoints.options import EvaluationOptions, check_schemes
from studies.runs.command import Runs


def main(runs: Runs, evaluation: EvaluationOptions, *, schemes: list[str] | None = None) -> int:
    """Table 4 of the paper, for any number of schemes: each finished run's weights under every padding scheme.

    They are tested under the scheme of training and under every other one, on the reported images (those of `test`):
    top-1 accuracy, or mIoU of whole images. What has no record yet is evaluated, and each result is kept in
    RUN/evaluations/ as soon as it is there: after Ctrl-C the same command continues. Runs that cannot be evaluated are
    named, and the rest goes on.

    Writes table4_cross.csv and .md.

    Args:
        schemes: to test under; default: those that the runs were trained with
    """
    collection = runs.collect()
    # Imported late: --help need not wait for torch.
    from studies.checkpoints.missing import evaluate_and_show
    from studies.cross_test.table import study
    from studies.runs.comparable import METRICS

    if collection.metric not in METRICS:
        raise UserError(f"{collection.metric} is not evaluated; choose one of --metric {', '.join(METRICS)}")
    schemes = check_schemes(schemes or collection.schemes)
    return evaluate_and_show(
        runs,
        evaluation,
        # Each run under its own scheme first: the others' differences need it.
        [(run, scheme) for run in collection.runs for scheme in dict.fromkeys([run.record.padding, *schemes])],
        partial(study, checkpoint=evaluation.checkpoint),
        "no run could be tested under another scheme than its own; name some with --schemes",
    )
