"""`main.py disagreements RUNS_FOLDER`: images that all runs of one scheme get wrong and all of another right."""

from functools import partial

from cli.sweep.command import positive
from records.errors import UserError
from studies.checkpoints.missing import add_options
from studies.cross_test.command import check_schemes, evaluate_and_show
from studies.runs.command import collect_runs, make_parser

DESCRIPTION = """\
Figure 4 of the paper: of the reported images, those that every run of one padding scheme gets wrong and every run of
another right, with the count of the opposite, and the count to expect if schemes did not matter."""

EPILOG = """\
Evaluates each checkpoint under its own scheme unless there is a record of it, and keeps each result in RUN/evaluations/
at once: after Ctrl-C the same command continues. Writes figure4.csv and .md (the images), figure4_counts.csv and .md,
and figure4.png."""


def main(arguments: list[str]) -> int:
    """Evaluates, prints and writes the disagreements; returns the exit status. Raises UserError for bad input."""
    parser = make_parser("disagreements", DESCRIPTION, EPILOG)
    parser.add_argument("--wrong", default="zero", metavar="SCHEME", help="whose runs are all wrong; default: zero")
    parser.add_argument(
        "--right", default="partial", metavar="SCHEME", help="whose runs are all right; default: partial"
    )
    parser.add_argument(
        "--limit", type=positive, default=18, metavar="N", help="most images of a network in the picture; default: 18"
    )
    add_options(parser)
    options = parser.parse_args(arguments)
    collection = collect_runs(options)
    pair = check_schemes([options.wrong, options.right])
    if len(pair) < 2:
        raise UserError(f"--wrong and --right are both {options.wrong}; name two schemes")
    if absent := [scheme for scheme in pair if scheme not in collection.schemes]:
        raise UserError(f"{options.runs} holds no finished run with {absent[0]} padding; choose --wrong and --right")
    # Imported late: --help need not wait for matplotlib.
    from studies.disagreements.table import study

    return evaluate_and_show(
        options,
        [(run, run.record.padding) for run in collection.runs if run.record.padding in pair],
        partial(study, wrong=options.wrong, right=options.right, checkpoint=options.checkpoint, limit=options.limit),
        "no network has evaluated classification runs of both schemes",
    )
