"""What the commands of the studies share: their options, what they print, and what they say where nothing applies."""

import argparse
import shlex
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from rich.console import Console, RenderableType
from rich.measure import Measurement

from records.errors import UserError
from studies.runs.wandb_mirror import ROOT, mirror, mirror_folder, project_path


def make_parser(command: str, description: str, epilog: str = "", runs: str = "RUNS_FOLDER") -> argparse.ArgumentParser:
    """A parser with the options that every study of runs has: where the runs are, and where to write.

    In what it parses, `runs` is the folder of the runs, for those of W&B too.
    """
    parser = StudyParser(
        prog=f"main.py {command}",
        description=description,
        epilog=f"{epilog}\nexit status: 0, or 2 where there is nothing to report.".strip(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("runs", type=Path, nargs="?", metavar=runs, help="folder that holds run folders at any depth")
    parser.add_argument(
        "--wandb",
        type=project_path,
        metavar="ENTITY/PROJECT",
        help=f"instead: the runs of a W&B project, of which run folders are made in {ROOT}/ENTITY/PROJECT",
    )
    parser.set_defaults(not_mirrored=None)
    parser.add_argument("--output", type=Path, metavar="DIR", help="where to write; default: report/ beside the runs")
    parser.add_argument("--metric", metavar="NAME", help="such as val/acc5; default: the metric that most runs monitor")
    return parser


class StudyParser(argparse.ArgumentParser):
    """Takes either a folder of runs or a W&B project."""

    def parse_known_args(self, args=None, namespace=None):
        # parse_args goes through here, too.
        options, rest = super().parse_known_args(args, namespace)
        if (options.runs is None) == (options.wandb is None):
            self.error("say where the runs are: either a folder, or --wandb ENTITY/PROJECT")
        if options.wandb is not None:
            options.runs = mirror_folder(options.wandb)
        return options, rest


def collect_runs(options: argparse.Namespace):
    """The Collection that the options name. Raises UserError where there is nothing to report."""
    # Imported late: --help need not wait for matplotlib and scipy.
    from records import RunFolderError
    from studies.runs.collect import collect

    # A command that collects more than once asks W&B once.
    if options.wandb is not None and options.not_mirrored is None:
        options.not_mirrored = _mirror(options.wandb, options.runs)
    try:
        return collect(options.runs, options.metric, options.not_mirrored or ())
    except RunFolderError as error:
        raise UserError(str(error)) from None


def _mirror(project: str, folder: Path) -> list:
    """Makes `folder` hold the runs of a W&B project; returns those that it cannot hold."""
    # Imported late: it takes seconds.
    from studies.runs.wandb_project import read_runs

    with tempfile.TemporaryDirectory() as downloads:
        runs = read_runs(project, Path(downloads))
        if not runs:
            raise UserError(f"W&B project {project} holds no runs")
        try:
            return mirror(runs, folder)
        except OSError as error:
            raise UserError(f"{folder} cannot be written: {error.strerror}; start this where you may write") from None


def output_folder(options: argparse.Namespace) -> Path:
    """The folder to write into, made if need be. Raises UserError if it cannot be."""
    output = options.output or options.runs / "report"
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise cannot_write(output, error) from None
    return output


def run_studies(options: argparse.Namespace, studies: Sequence[Callable], nothing: str) -> int:
    """Collects the runs, runs each study, prints what it found and the files it wrote; returns the exit status.

    Args:
        studies: from a collection and the output folder to a Section, or None where the runs hold nothing for it.
        nothing: what to do where no study applies, for the message.

    Raises:
        UserError: where there is nothing to report, or the folder cannot be written.
    """
    collection, output = collect_runs(options), output_folder(options)
    try:
        sections = [section for study in studies if (section := study(collection, output)) is not None]
    except OSError as error:
        raise cannot_write(output, error) from None
    if not sections:
        raise UserError(f"{options.runs}: {nothing}")
    # Imported late: --help need not wait for matplotlib.
    from studies.runs.fairness import warnings

    console = Console()
    show_sections(console, sections)
    for warning in warnings(collection):
        say(console, f"warning: {warning}")
    show_set_aside(console, collection)
    for section in sections:
        for file in section.files:
            say(console, f"wrote {shlex.quote(str(file))}")
    return 0


def show_sections(console: Console, sections: Sequence) -> None:
    """What each section has for a terminal."""
    for section in sections:
        for printed in section.printed:
            print_whole(console, printed)
            console.print()


def show_set_aside(console: Console, collection) -> None:
    """A line for each run that is in no table."""
    for entry in collection.set_aside:
        say(console, f"left out: {entry}")


def cannot_write(output: Path, error: OSError) -> UserError:
    return UserError(f"{output} cannot be written: {error.strerror}; choose another folder with --output")


def say(console: Console, text: str) -> None:
    console.print(text, markup=False, highlight=False, soft_wrap=True)


def print_whole(console: Console, table: RenderableType) -> None:
    """Prints `table` with every cell whole, beyond the width of the terminal if need be: a cut number misleads."""
    wide = console.options.update(width=10_000, max_width=10_000)
    width = Measurement.get(console, wide, table).maximum
    Console(width=max(width, console.width)).print(table)
