"""`main.py sweep FILE`: trains the points of a W&B sweep file on this machine, without an account."""

import os
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

from jsonargparse.typing import PositiveInt
from rich.console import Console

from cli.sweep.display import SweepDisplay, print_outcome
from cli.sweep.file import read_sweep
from cli.sweep.points import PointRun, State, check_points, resolve_points
from cli.sweep.runner import run_points, stop_requests
from processes.cores import cores
from records.errors import UserError
from studies.runs import options
from studies.runs.command import say

WANDB_IDENTITY = ("WANDB_RUN_ID", "WANDB_SWEEP_ID", "WANDB_SWEEP_PARAM_PATH")
"""Environment variables that an agent sets for one run; if every point inherited them, all points would be one run."""


def main(arguments: list[str]) -> int:
    """Runs the sweep; returns the exit status. Raises UserError for bad input, before anything is started."""
    return options.run("sweep", sweep, arguments)


def sweep(
    file: Path,
    *,
    jobs: PositiveInt | None = None,
    threads: PositiveInt | None = None,
    plan: bool = False,
    dry_run: bool = False,
    output: Path | None = None,
) -> int:
    """Runs a W&B sweep file (method: grid) on this machine, without an account.

    Each point of the grid is one run of `main.py fit` in a process of its own. Finished runs are skipped and unfinished
    ones resume, so that the same command started again continues. The same file also works with `wandb sweep` and
    `wandb agent`.

    --plan runs nothing: it lists the grid, what is finished, and the GPU hours that the rest and the whole will take,
    by the median epoch of the existing runs of the same network and padding, else of the same network.

    Ctrl-C asks the runs to end and waits up to 30 s for their checkpoints; a second Ctrl-C ends them at once. Exit
    status: 0 when every run is finished, 1 when runs failed, 2 for bad input, 130 after Ctrl-C, 143 after SIGTERM.

    Args:
        file: sweep file, such as sweeps/demo.yaml
        jobs: number of runs at a time; default: 1 if there is a GPU, else one per core
        threads: threads per run (OMP_NUM_THREADS); default: cores divided by jobs, unless OMP_NUM_THREADS is set
        plan: list the grid, what is finished, and what the rest costs; run nothing
        dry_run: check every point and print the commands; run nothing
        output: file for the plan as CSV, a row per run and device; only with --plan
    """
    if plan and dry_run:
        raise UserError("--plan and --dry-run: give one of them")
    if output and not plan:
        raise UserError("--output goes with --plan")
    if inherited := " ".join(name for name in WANDB_IDENTITY if name in os.environ):
        raise UserError(f"{inherited} set: every point would be that one W&B run; unset {inherited} and start again")
    points, notes = read_sweep(file)
    console = Console()
    for note in notes:
        say(console, f"note: {note}")
    # Imported late, since it imports torch and Lightning, which --help and a misspelt file name need not wait for.
    from cli.sweep.resolver import Resolver

    resolver = Resolver()
    with console.status(f"looking for {len(points)} runs"):
        runs = resolve_points(points, resolver, file)
    if plan:
        from cli.sweep.plan import show_plan

        return show_plan(console, runs, file, output)
    with console.status(f"checking {len(points)} runs"):
        check_points(runs, resolver.check, file)
    if not dry_run:
        return train(console, runs, jobs, threads)
    for run in runs:
        say(console, f"{run.record.name} ({run.state}): {run.folder.path}\n    {shlex.join(run.command)}")
    return 0


def train(console: Console, runs: Sequence[PointRun], jobs: int | None, threads: int | None) -> int:
    """Trains the unfinished runs and prints the outcome; returns the exit status."""
    waiting = [run for run in runs if run.state is State.WAITING]
    jobs = min(jobs or default_jobs(), len(waiting)) if waiting else 1
    skipped = f", {len(runs) - len(waiting)} finished already" if len(waiting) < len(runs) else ""
    say(console, f"{len(runs)} runs{skipped}, {jobs} at a time")
    with stop_requests() as stop:
        with SweepDisplay(console, runs) as display:
            run_points(waiting, jobs, child_environment(os.environ, jobs, threads), stop, display)
        print_outcome(console, runs)
    states = {run.state for run in runs}
    cut_short = bool(states & {State.INTERRUPTED, State.WAITING})
    if cut_short:
        say(console, "\nInterrupted. The same command started again continues.")
    elif State.FAILED in states:
        say(console, "\nThe same command started again tries the failed runs again.")
    if states & {State.FINISHED, State.SKIPPED}:
        say(console, f"\nNext: {shlex.join(['python', 'main.py', 'report', str(common_root(runs))])}")
    # By the first signal: 130 after Ctrl-C, 143 after SIGTERM.
    return 128 + stop[0] if cut_short else int(State.FAILED in states)


def default_jobs() -> int:
    """Number of runs at a time: 1 on a GPU, for which two runs would compete; else one per core.

    On a CPU a run's start and its small layers use a single core.
    """
    import torch

    return 1 if torch.accelerator.is_available() else cores()


def child_environment(environment: Mapping[str, str], jobs: int, threads: int | None) -> dict[str, str]:
    """Returns the environment of a run if `jobs` runs go on at a time.

    Without a limit each run would start a thread per core, and the threads would wait for one another.
    """
    given = str(threads) if threads else environment.get("OMP_NUM_THREADS")
    return {**environment, "OMP_NUM_THREADS": given or str(max(1, cores() // jobs))}


def common_root(runs: Sequence[PointRun]) -> Path:
    """Returns the deepest folder that holds every run folder, relative to the current folder if it is below that."""
    root = Path(os.path.commonpath([run.folder.path.resolve().parent for run in runs]))
    here = Path.cwd()
    return root.relative_to(here) if root.is_relative_to(here) else root
