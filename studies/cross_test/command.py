"""`main.py cross-test RUNS_FOLDER`: every checkpoint under every padding scheme."""

from functools import partial

from jsonargparse.typing import PositiveInt

from records.errors import UserError
from studies.checkpoints.options import VALID, EvaluationOptions, check_schemes
from studies.runs.command import Runs


def main(
    runs: Runs,
    evaluation: EvaluationOptions,
    *,
    schemes: list[str] | None = None,
    margin: PositiveInt | None = None,
    size: PositiveInt | None = None,
) -> int:
    """Tests each finished run's weights under every padding scheme: Table 4 of the paper, for any number of schemes.

    The schemes are that of the training and every other one, the images those of `test`, the value is top-1 accuracy,
    or mIoU of whole images. Only what has no record yet is evaluated, and each result is written to RUN/evaluations/
    at once: after Ctrl-C the same command continues. Runs that cannot be evaluated are named, and the rest goes on.

    With --margin, the images have that many pixels of real context on each side. The scheme `valid`, which is then
    tested, too, lets the network see this context in place of padding: the ceiling for every scheme. All other schemes
    pad where the margin begins, on the same pixels.

    Writes table4_cross.csv and .md; with a margin of 8 pixels, table4_cross_margin8.csv and .md.

    Args:
        schemes: schemes to test under; default: those that the runs were trained with
        margin: pixels of context on each side, a multiple of the network's stride; scenes lose as many to it
        size: side of classified images without their margin, in pixels; only with --margin; default: the run's
    """
    if size and not margin:
        raise UserError("--size goes with --margin; `main.py sizes` tests other sizes")
    around = [f"--data.margin={margin}"] if margin else []
    around += [f"--data.image_size={size}"] if size else []
    collection = runs.collect()
    # Imported late: --help need not wait for torch.
    from studies.checkpoints.missing import evaluate_and_show
    from studies.cross_test.table import study
    from studies.runs.comparable import METRICS

    if collection.metric not in METRICS:
        raise UserError(f"{collection.metric} is not evaluated; choose one of --metric {', '.join(METRICS)}")
    schemes = check_schemes([*(schemes or collection.schemes), *([VALID] if margin else [])])
    if VALID in schemes and not margin:
        raise UserError("--schemes valid takes real context in the place of padding; say how much with --margin PIXELS")
    return evaluate_and_show(
        runs,
        evaluation,
        # Each run under its own scheme first: the others' differences need it; a margin that does not fit shows under
        # `valid`, before minutes of others.
        [
            (run, scheme)
            for run in collection.runs
            for scheme in dict.fromkeys([*([VALID] if margin else []), run.record.padding, *schemes])
        ],
        partial(study, checkpoint=evaluation.checkpoint),
        "no run could be tested under another scheme than its own; name some with --schemes",
        around,
    )
