"""`main.py report RUNS_FOLDER`: tables and figures of a folder of runs, in the terminal and as one page."""

import shlex
from pathlib import Path

from rich.console import Console

from records.errors import UserError
from studies.runs.command import Runs, say


def main(runs: Runs, *, complete: bool = False, data_root: Path | None = None) -> int:
    """Shows every table and figure of the paper that a folder of runs has data for, as one page.

    The page has the claims, differences from zero padding with their intervals, Tables 2, 3 and 5, Figures 1 and 3,
    epochs to targets, and the records of the other studies (Tables 1, 4, 6 and 7, Figures 4 to 8). --complete first
    runs the studies whose records are missing.

    Writes report.html, one page that opens offline, and each study's files beside it. Runs that monitor
    another metric, such as val/miou beside val/acc1, are named: --metric and --output give them a page of their own.
    Unfinished and damaged runs are named and left out.

    Exit status 1: a study could not be shown, or --complete could not run everything; the rest was reported.

    Args:
        complete: first run the studies that need trained networks or a measurement, as far as they are missing
        data_root: folder of the images if they are not where the runs found them; with --complete
    """
    if data_root and not complete:
        raise UserError("--data-root goes with --complete, which reads images")
    if complete and runs.wandb is not None:
        raise UserError("--complete needs the run folders: W&B holds no checkpoints")
    collection, output = runs.collect(), runs.output_folder()
    failed: list[str] = []
    if complete:
        # Imported late: it brings in torch and Lightning.
        from studies.report.complete import run_missing

        failed = run_missing(runs.folder, data_root, collection, output)
        # A collection reads the run folders once, so a new one is needed for the new records.
        collection = runs.collect()
    # Imported late: --help need not wait for matplotlib.
    from studies.page.terminal import show_sections, show_warnings
    from studies.report.page import PAGE, write_report
    from studies.report.summary import sentences

    (sections, problems), console = write_report(collection, output), Console()
    show_sections(console, sections)
    for sentence in sentences(collection):
        say(console, sentence)
    show_warnings(console, collection)
    say(console, f"\nReport: {shlex.quote(str(output / PAGE))}")
    failed += [f"not shown: {problem}" for problem in problems]
    for problem in failed:
        say(console, problem)
    return 1 if failed else 0
