"""`main.py report RUNS_FOLDER`: tables and figures of a folder of runs, in the terminal and as one page."""

import re
import shlex
from pathlib import Path

from rich.console import Console

from records.errors import UserError
from studies.runs.collect import Collection, collect
from studies.runs.command import Runs, say


def main(runs: Runs, *, complete: bool = False, data_root: Path | None = None) -> int:
    """Every table and figure of the paper that a folder of runs has something for, as one page.

    The claims, differences from zero padding with their intervals, Tables 2, 3 and 5, Figures 1 and 3, epochs to
    targets, and what the other studies kept in the run folders (Tables 1, 4, 6 and 7, Figures 4 to 8). --complete first
    runs what these have not kept yet.

    Writes report.html, one page that opens without a network, and each study's files beside it. Runs that monitor
    another metric, such as val/miou beside val/acc1, get a page of their own. Unfinished and damaged runs are named and
    left out.

    Exit status 1: a study could not be shown, or --complete could not run everything; the rest was reported.

    Args:
        complete: first run the studies that need trained networks or a measurement, as far as they are missing
        data_root: folder of the images where they are not where the runs found them
    """
    if complete and runs.wandb is not None:
        raise UserError("--complete needs the run folders: W&B holds no checkpoints")
    found = [runs.collect()]
    if runs.metric is None:
        # A collection for each metric that finished runs monitor.
        found += [collect(runs.folder, metric) for metric in found[0].other_metrics]
    output = runs.output_folder()
    names = [slug(each.metric) for each in found]
    folders = {each.metric: output for each in found[:1]}
    for number, each in enumerate(found[1:], start=1):
        # Two metrics may have one slug.
        folders[each.metric] = output / (names[number] + f"-{number}" * (names[number] in names[:number]))
    failed: list[str] = []
    if complete:
        # Imported late: it brings in torch and Lightning.
        from studies.report.complete import run_missing

        for each in found:
            failed += run_missing(runs.folder, data_root, each, folders[each.metric])
    for each in found:
        failed += [f"not shown: {problem}" for problem in _report(each, folders)]
    for problem in failed:
        say(Console(), problem)
    return 1 if failed else 0


def slug(metric: str) -> str:
    """`val-miou` for val/miou; never a name that leads out of its folder."""
    return re.sub(r"\W+", "-", metric).strip("-") or "metric"


def _report(collection: Collection, folders: dict[str, Path]) -> tuple[str, ...]:
    """Writes and prints the report of a collection; returns a sentence for each study that could not be shown."""
    # Imported late: --help need not wait for matplotlib.
    from studies.page.terminal import show_sections, show_set_aside
    from studies.report.page import write_report

    output = folders[collection.metric]
    others = {metric: folder / "report.html" for metric, folder in folders.items() if metric != collection.metric}
    shown = collection.without_other_metrics() if others else collection
    report = write_report(shown, output, others)
    console = Console()
    show_sections(console, report.sections)
    for sentence in report.sentences:
        say(console, sentence)
    for warning in report.warnings:
        say(console, f"warning: {warning}")
    show_set_aside(console, shown)
    say(console, f"\nReport: {shlex.quote(str(report.page))}")
    return report.problems
