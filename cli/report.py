"""`main.py report RUNS_FOLDER`: tables and figures of a folder of runs, in the terminal and as one page."""

import argparse
import shlex
from pathlib import Path

from rich.console import Console, RenderableType
from rich.measure import Measurement

from cli.errors import UserError
from records import RunFolderError

DESCRIPTION = """\
Compare the finished runs below a folder: for each architecture and padding scheme the accuracy or mIoU by the best
epoch (Tables 2 and 5 of the paper) and by the average of the last five (Table 3), mean, standard deviation and
difference from zero padding; the mean curves with their spread over the seeds (Figure 3); epochs to reach targets."""

EPILOG = """\
Writes report.html (one page that opens without a network), table2_best.csv and .md, table3_last5.csv and .md (of
segmentation runs table5_best and last5), figure3.svg and figure3.csv. Unfinished and damaged runs are named and left
out of the tables.
exit status: 0, or 2 where there is nothing to report."""


def main(arguments: list[str]) -> int:
    """Prints and writes the report; returns the exit status. Raises UserError where there is nothing to report."""
    options = make_parser().parse_args(arguments)
    # Imported late: --help need not wait for matplotlib.
    from studies.collect import collect
    from studies.report import write_report

    try:
        collection = collect(options.runs, options.metric)
    except RunFolderError as error:
        raise UserError(str(error)) from None
    output = options.output or options.runs / "report"
    try:
        report = write_report(collection, output)
    except OSError as error:
        raise UserError(f"{output} cannot be written: {error.strerror}; choose another folder with --output") from None
    console = Console()
    for section in report.sections:
        for table in section.printed:
            print_whole(console, table)
            console.print()
    for sentence in report.sentences:
        say(console, sentence)
    for warning in report.warnings:
        say(console, f"warning: {warning}")
    for entry in collection.set_aside:
        say(console, f"left out: {entry}")
    say(console, f"\nReport: {shlex.quote(str(report.page))}")
    return 0


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="main.py report",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("runs", type=Path, metavar="RUNS_FOLDER", help="folder that holds run folders at any depth")
    parser.add_argument("--output", type=Path, metavar="DIR", help="where to write; default: RUNS_FOLDER/report")
    parser.add_argument("--metric", metavar="NAME", help="such as val/acc5; default: the metric that the runs monitor")
    return parser


def say(console: Console, text: str) -> None:
    console.print(text, markup=False, highlight=False, soft_wrap=True)


def print_whole(console: Console, table: RenderableType) -> None:
    """Prints `table` with every cell whole, beyond the width of the terminal if need be: a cut number misleads."""
    wide = console.options.update(width=10_000, max_width=10_000)
    width = Measurement.get(console, wide, table).maximum
    Console(width=max(width, console.width)).print(table)
