"""`main.py sweep FILE`: the runs of a W&B sweep file on this machine, without an account."""

import argparse
import os
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from cli.sweep.display import make_display, print_outcome
from cli.sweep.file import Point, SweepFile, read_sweep
from cli.sweep.points import PointRun, Resolve, resolve_points
from cli.sweep.process import StopRequest
from cli.sweep.runner import State, Task, make_tasks, run_tasks
from records.errors import UserError
from studies.runs.command import print_whole, say

DESCRIPTION = """\
Run a W&B sweep file (method: grid) on this machine, without an account: each point of the grid is one run of
`main.py fit` in a process of its own. Finished runs are skipped and unfinished ones resume, so that the same command
started again continues. The same file runs with `wandb sweep` and `wandb agent` as it stands.

--plan runs nothing: it lists the grid, what is finished, and the GPU hours that the rest and the whole will take, by
the median epoch of the runs that are there: of the same network and padding, else of the same network."""

EPILOG = """\
exit status: 0 when every run is finished, 1 when runs failed, 2 for bad input, 130 after Ctrl-C, 143 after SIGTERM.
Ctrl-C asks the runs to end and waits up to 30 s for their checkpoints; a second Ctrl-C ends them at once."""

WANDB_IDENTITY = ("WANDB_RUN_ID", "WANDB_SWEEP_ID", "WANDB_SWEEP_PARAM_PATH")
"""Set for one run of an agent; inherited by every point, they would make all of them one run."""


def main(arguments: list[str]) -> int:
    """Runs the sweep; returns the exit status. Raises UserError for bad input, before anything is started."""
    parser = make_parser()
    options = parser.parse_args(arguments)
    if options.output and not options.plan:
        parser.error("--output goes with --plan")
    try:
        return sweep(options)
    except KeyboardInterrupt:
        # Before the first run is started; from then on StopRequest hears the signal.
        return 130


def sweep(options: argparse.Namespace) -> int:
    """Checks everything, then runs it."""
    refuse_inherited_identity(os.environ)
    file = read_sweep(options.file)
    points = file.points()
    check_program(file, points)
    console = Console()
    for note in file.notes:
        console.print(f"note: {escape(note)}")
    with console.status(f"checking {len(points)} runs"):
        runs = resolve_points(points, find_resolve(), file.path)
    if options.plan:
        return plan(console, runs, file.path, options.output)
    tasks = make_tasks(runs, file.path)
    if options.dry_run:
        return print_commands(console, tasks)
    return run(console, tasks, options.jobs, options.threads)


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="main.py sweep",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("file", type=Path, help="sweep file, such as sweeps/demo.yaml")
    parser.add_argument(
        "--jobs",
        type=positive,
        metavar="N",
        help="runs at a time; default: 1 where there is a GPU, else one for each core",
    )
    parser.add_argument(
        "--threads",
        type=positive,
        metavar="N",
        help="threads of each run (OMP_NUM_THREADS); default: cores divided by jobs, unless OMP_NUM_THREADS is set",
    )
    instead = parser.add_mutually_exclusive_group()
    instead.add_argument("--plan", action="store_true", help="list the grid, what is finished, and what the rest costs")
    instead.add_argument("--dry-run", action="store_true", help="check every point and print the commands, run nothing")
    parser.add_argument("--output", type=Path, metavar="CSV", help="with --plan: also write it there, a row a run")
    return parser


def positive(text: str) -> int:
    """A whole number from 1 on, for argparse."""
    try:
        number = int(text)
    except ValueError:
        number = 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is no whole number from 1 on")
    return number


def refuse_inherited_identity(environment: Mapping[str, str]) -> None:
    """Raises UserError if the environment names one W&B run, which all points would then write into."""
    if found := [name for name in WANDB_IDENTITY if name in environment]:
        raise UserError(
            f"{' and '.join(found)} set: every point would be that one W&B run; unset {' '.join(found)} and start again"
        )


def check_program(file: SweepFile, points: Sequence[Point]) -> None:
    """Raises UserError unless the file runs this project's `main.py fit`."""
    program = Path(file.program)
    if program.name != "main.py" or points[0].arguments[:1] != ("fit",):
        raise UserError(
            f"{file.path}: this runner runs main.py fit only (program: main.py, and - fit after - ${{program}} in "
            "command); for other programs, wandb sweep and wandb agent"
        )
    if not program.is_file():
        raise UserError(f"{file.path}: program {program} is not in {Path.cwd()}; start the sweep where main.py is")


def find_resolve() -> Resolve:
    # Imported late: it brings in torch and Lightning, which --help and a misspelt file name need not wait for.
    from training.resolve import resolve

    return resolve


def plan(console: Console, runs: Sequence[PointRun], file: Path, output: Path | None) -> int:
    # Imported late: what --help and the runs need not wait for.
    from cli.sweep.plan import show_plan

    return show_plan(runs, file, output, lambda text: say(console, text), lambda table: print_whole(console, table))


def print_commands(console: Console, tasks: Sequence[Task]) -> int:
    for task in tasks:
        console.print(f"{escape(task.name)} ({task.state}): {task.folder.path}", highlight=False, soft_wrap=True)
        console.print(f"    {escape(shlex.join(task.command))}", highlight=False, soft_wrap=True)
    return 0


def run(console: Console, tasks: Sequence[Task], jobs: int | None, threads: int | None) -> int:
    """Runs what is open and prints how it went; returns the exit status."""
    waiting = sum(task.state is State.WAITING for task in tasks)
    jobs = min(jobs or default_jobs(), waiting) if waiting else 1
    skipped = f", {len(tasks) - waiting} finished already" if waiting < len(tasks) else ""
    console.print(f"{len(tasks)} runs{skipped}, {jobs} at a time")
    with StopRequest() as stop:
        with make_display(console, tasks) as display:
            run_tasks(tasks, jobs, child_environment(os.environ, jobs, threads), stop, display.show)
        print_outcome(console, tasks)
    print_next(console, tasks, stop)
    failed = any(task.state is State.FAILED for task in tasks)
    return stop.exit_status if was_cut_short(tasks) else int(failed)


def was_cut_short(tasks: Sequence[Task]) -> bool:
    return any(task.state in (State.INTERRUPTED, State.WAITING) for task in tasks)


def default_jobs() -> int:
    """One on a GPU, which two runs would fight over; else one a core: a run's start and its small layers use one."""
    import torch

    return 1 if torch.accelerator.is_available() else cores()


def cores() -> int:
    """Cores that this process may use."""
    # macOS has no sched_getaffinity.
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def child_environment(environment: Mapping[str, str], jobs: int, threads: int | None) -> dict[str, str]:
    """Environment of a run when `jobs` run at a time.

    Without a limit each run would start a thread for every core, and all of them would wait for one another.
    """
    child = dict(environment)
    if threads or "OMP_NUM_THREADS" not in child:
        child["OMP_NUM_THREADS"] = str(threads or max(1, cores() // jobs))
    # A log that is read while the run goes on must not lag behind by a buffer.
    child.setdefault("PYTHONUNBUFFERED", "1")
    return child


def print_next(console: Console, tasks: Sequence[Task], stop: StopRequest) -> None:
    if was_cut_short(tasks):
        console.print("\nInterrupted. The same command started again continues.")
    elif any(task.state is State.FAILED for task in tasks):
        console.print("\nThe same command started again tries the failed runs again.")
    if any(task.state in (State.FINISHED, State.SKIPPED) for task in tasks):
        command = shlex.join(["python", "main.py", "report", str(common_root(tasks))])
        console.print(f"\nNext: {escape(command)}", highlight=False, soft_wrap=True)


def common_root(tasks: Sequence[Task]) -> Path:
    """The deepest folder that holds every run folder, relative to the current one where it lies below."""
    root = Path(os.path.commonpath([task.folder.path.resolve().parent for task in tasks]))
    here = Path.cwd()
    return root.relative_to(here) if root.is_relative_to(here) else root
