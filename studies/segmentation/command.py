"""`main.py segmentation RUNS_FOLDER`: Tables 5 to 7, the curve over the border, and Figures 6 to 8."""

import argparse
import re
from pathlib import Path

from jsonargparse.typing import PositiveInt
from rich.console import Console

from records.errors import UserError
from studies.runs.command import cannot_write, collect_runs, make_parser, output_folder, run_studies

DESCRIPTION = """\
Compare the finished segmentation runs below a folder as section 4.2 of the paper does: best mIoU by encoder, scheme
and split (Table 5); whole images against tiles (Table 6); without the centre (Table 7); mIoU by the distance to the
border; pictures (Figures 6 to 8). Tables 6 and 7 and the curve need the runs to be tested: --test does what is missing.

With --test, options of `main.py test` may follow, as in --model.evaluation.tile_size=512 for other tiles."""

EPILOG = """\
Writes table5_splits, table6_tiles, table7_border and distance as .csv and .md, distance.svg; with --pictures
figure6.png, figure7.png, figure8.png. Tests are kept in RUN/evaluations/, and what is there is not repeated. Runs that
were tested in different ways stand in blocks of their own. Exit status 1: a test failed; the rest was reported."""

METRIC = "val/miou"

TEST_OPTION = re.compile(r"--(model|data|trainer)\.[\w.]+=")
"""An option of `main.py test`, with its value."""


def main(arguments: list[str]) -> int:
    """Prints and writes the tables; returns the exit status. Raises UserError where there is nothing to report."""
    options, test_options = parse(arguments)
    status = _test(options, test_options) if options.test else 0
    if status > 1:
        return status
    problem = _draw(options) if options.pictures else None
    # Imported late: --help need not wait for matplotlib.
    from studies.segmentation import distance, figures, splits, table

    studies = (splits.study, table.study_tiles, table.study_border, distance.study, figures.study)
    run_studies(options, studies, "holds no segmentation runs")
    if problem is not None:
        raise problem
    return status


def parse(arguments: list[str]) -> tuple[argparse.Namespace, list[str]]:
    """The command's own options, and those for `main.py test`."""
    parser = make_parser("segmentation", DESCRIPTION, EPILOG)
    parser.set_defaults(metric=METRIC)
    parser.add_argument("--test", action="store_true", help="first test the best checkpoint of each run that lacks it")
    parser.add_argument(
        "--data-root",
        type=Path,
        metavar="DIR",
        help="the images, where they are not where the runs' configuration says",
    )
    parser.add_argument(
        "--pictures",
        type=PositiveInt,
        nargs="?",
        const=3,
        metavar="K",
        help="also draw Figures 6 to 8, of K images (3)",
    )
    parser.add_argument(
        "--examine", type=PositiveInt, default=100, metavar="N", help="choose the K from N images at most (%(default)s)"
    )
    parser.add_argument(
        "--network", metavar="NAME", help="whose pictures; default: the first with zero and partial runs"
    )
    parser.add_argument(
        "--tile-size", type=PositiveInt, metavar="N", help="of the pictures; default: as in the run's configuration"
    )
    # Options of the program that runs the tests have dots in their names; those of this command have none.
    for_test = [argument for argument in arguments if TEST_OPTION.match(argument)]
    options = parser.parse_args([argument for argument in arguments if argument not in for_test])
    if for_test and not options.test:
        parser.error(f"{' '.join(for_test)}: options of `main.py test` go with --test")
    return options, for_test


def _test(options: argparse.Namespace, test_options: list[str]) -> int:
    collection = collect_runs(options)
    # Imported late: it brings in torch and Lightning.
    from studies.segmentation.measure import run_missing

    root = [] if options.data_root is None else [f"--data.root={options.data_root}"]
    return run_missing(Console(), collection, [*root, *test_options])


def _draw(options: argparse.Namespace) -> UserError | None:
    """Draws the pictures; what goes wrong is returned, for the tables to be shown first."""
    collection, output = collect_runs(options), output_folder(options)
    # Imported late: it brings in torch and Lightning.
    from studies.segmentation.scenes import make_pictures

    try:
        make_pictures(Console(), collection, options, output)
    except OSError as error:
        return cannot_write(output, error)
    except UserError as error:
        return error
    return None
