"""`main.py report RUNS_FOLDER`: tables and figures of a folder of runs, in the terminal and as one page."""

import argparse
import re
import shlex
from pathlib import Path

from rich.console import Console

from records.errors import UserError
from studies.runs.command import (
    cannot_write,
    collect_runs,
    make_parser,
    output_folder,
    say,
    show_sections,
    show_set_aside,
)

DESCRIPTION = """\
Every table and figure of the paper that a folder of runs has something for, as one page: the claims, differences from
zero padding with their intervals, Tables 2, 3 and 5, Figures 1 and 3, epochs to targets, and what the other studies
kept in the run folders (Tables 1, 4, 6 and 7, Figures 4 to 8). --complete first runs what these have not kept yet."""

EPILOG = """\
Writes report.html, one page that opens without a network, and each study's files beside it. Runs that monitor another
metric, such as val/miou beside val/acc1, get a page of their own. Unfinished and damaged runs are named and left
out."""


def main(arguments: list[str]) -> int:
    """Prints and writes the report; returns the exit status. Raises UserError where there is nothing to report."""
    options = parse(arguments)
    found = _collections(options)
    first = output_folder(options)
    folders = {each.metric: first / slug(each.metric) if number else first for number, each in enumerate(found)}
    if options.complete:
        # Imported late: it brings in torch and Lightning.
        from studies.report.complete import complete

        for each in found:
            complete(options, each, folders[each.metric])
    for each in found:
        _report(each, folders)
    return 0


def parse(arguments: list[str]) -> argparse.Namespace:
    parser = make_parser("report", DESCRIPTION, EPILOG)
    parser.add_argument(
        "--complete",
        action="store_true",
        help="first run the studies that need trained networks or a measurement, as far as they are missing",
    )
    parser.add_argument(
        "--data-root",
        type=Path,
        metavar="DIR",
        help="the images, where they are not where the runs' configuration says",
    )
    options = parser.parse_args(arguments)
    if options.complete and options.wandb is not None:
        raise UserError("--complete needs the run folders: W&B holds no checkpoints")
    return options


def slug(metric: str) -> str:
    """`val-miou` for val/miou."""
    return re.sub(r"[^\w.]+", "-", metric)


def _collections(options: argparse.Namespace) -> list:
    """The runs by the metric asked for; by default one collection for each metric that finished runs monitor."""
    first = collect_runs(options)
    if options.metric is not None:
        return [first]
    from studies.runs.collect import collect

    return [first, *(collect(options.runs, metric) for metric in first.other_metrics)]


def _report(collection, folders: dict[str, Path]) -> None:
    # Imported late: --help need not wait for matplotlib.
    from studies.report.page import write_report

    output = folders[collection.metric]
    others = {metric: folder / "report.html" for metric, folder in folders.items() if metric != collection.metric}
    shown = collection.without_other_metrics() if others else collection
    try:
        report = write_report(shown, output, others)
    except OSError as error:
        raise cannot_write(output, error) from None
    console = Console()
    show_sections(console, report.sections)
    for sentence in report.sentences:
        say(console, sentence)
    for warning in report.warnings:
        say(console, f"warning: {warning}")
    show_set_aside(console, shown)
    say(console, f"\nReport: {shlex.quote(str(report.page))}")
