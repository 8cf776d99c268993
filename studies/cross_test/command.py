"""`main.py cross-test RUNS_FOLDER`: every checkpoint under every padding scheme."""

import argparse
from collections.abc import Callable, Sequence
from functools import partial

from rich.console import Console

from records.errors import UserError
from studies.checkpoints.missing import add_options, all_tasks, evaluate_missing
from studies.runs.command import collect_runs, make_parser, run_studies, say

DESCRIPTION = """\
Table 4 of the paper, for any number of schemes: the weights of each finished run, tested under its own padding scheme
and under every other one, on the reported images (those of `test`): top-1 accuracy, or mIoU of whole images."""

EPILOG = """\
Evaluates what has no record yet and keeps each result in RUN/evaluations/ as soon as it is there: after Ctrl-C the same
command continues. Writes table4_cross.csv, .md and .svg. Runs that cannot be evaluated are named, and the rest goes on.
"""

STOPPED = 130
"""Exit status after Ctrl-C, 128 and the signal's number."""


def main(arguments: list[str]) -> int:
    """Evaluates, prints and writes the cross test; returns the exit status. Raises UserError for bad input."""
    parser = make_parser("cross-test", DESCRIPTION, EPILOG)
    parser.add_argument(
        "--schemes", nargs="+", metavar="SCHEME", help="to test under; default: those that the runs were trained with"
    )
    add_options(parser)
    options = parser.parse_args(arguments)
    collection = collect_runs(options)
    # Imported late: --help need not wait for torch.
    from studies.cross_test.table import study
    from studies.runs.comparable import METRICS

    if collection.metric not in METRICS:
        raise UserError(f"{collection.metric} is not evaluated; choose one of --metric {', '.join(METRICS)}")
    schemes = check_schemes(options.schemes or collection.schemes)
    return evaluate_and_show(
        options,
        all_tasks(collection, schemes),
        partial(study, checkpoint=options.checkpoint),
        "no run could be tested under another scheme than its own; name some with --schemes",
    )


def evaluate_and_show(options: argparse.Namespace, tasks: Sequence, study: Callable, nothing: str) -> int:
    """Evaluates what is missing for `study`, then shows the study; returns the exit status."""
    console = Console()
    try:
        failed = evaluate_missing(tasks, options, console)
    except KeyboardInterrupt:
        say(console, "stopped; what was evaluated is kept, and the same command continues")
        return STOPPED
    status = run_studies(options, [study], nothing)
    for entry in failed:
        say(console, f"left out: {entry}")
    return status


def check_schemes(schemes: Sequence[str]) -> list[str]:
    """`schemes`, each once. Raises UserError if one is unknown."""
    from padding import available_schemes

    if unknown := [scheme for scheme in schemes if scheme not in available_schemes()]:
        raise UserError(f"--schemes: unknown {', '.join(unknown)}; there are {', '.join(available_schemes())}")
    return list(dict.fromkeys(schemes))
