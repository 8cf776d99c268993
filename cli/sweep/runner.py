"""Trains the points of a sweep, a few at a time, until each is finished, failed or interrupted."""

from collections.abc import Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait

from cli.sweep.display import SweepDisplay
from cli.sweep.living import LivingRun, is_trained
from cli.sweep.points import PointRun, State
from cli.sweep.process import StopRequest, run_logged, wait_for
from records import RunFolderError

GRACE = 30.0
"""Seconds between SIGTERM and SIGKILL, as in W&B's agent; enough to write a checkpoint."""


def run_points(
    runs: Sequence[PointRun], jobs: int, environment: Mapping[str, str], stop: StopRequest, display: SweepDisplay
) -> None:
    """Trains `runs`, at most `jobs` at a time, and sets their states, until all ended or `stop` was asked for.

    Those that a process trains already come first, and count as jobs. No process that this starts outlives the call,
    however it ends.
    """
    ordered = sorted(runs, key=lambda run: not is_trained(run.folder))
    with ThreadPoolExecutor(jobs) as pool:
        pending = {pool.submit(_train, run, environment, stop, display) for run in ordered}
        try:
            while pending:
                done, pending = wait(pending, timeout=0.5, return_when=FIRST_COMPLETED)
                for future in done:
                    future.result()
                display.refresh()
        except BaseException:
            # The pool waits for its threads, and these for their processes.
            stop.count = 2
            raise


def _train(run: PointRun, environment: Mapping[str, str], stop: StopRequest, display: SweepDisplay) -> None:
    if stop.count:
        return
    run.state, problem = State.RUNNING, ""
    living = LivingRun(run.folder)
    if waits := living.poll() is None:
        display.started(run, "waiting for what trains already")
        wait_for(living, stop, GRACE)
        if stop.count:
            living.kill()
    if not (waits and (stop.count or _outcome(run, "", stop)[0] is State.FINISHED)):
        display.started(run)
        problem = run_logged(run.command, run.folder.log, environment, stop, GRACE)
    run.state, run.reason = _outcome(run, problem, stop)
    display.ended(run)


def _outcome(run: PointRun, problem: str, stop: StopRequest) -> tuple[State, str]:
    """The run folder decides, not the exit status: a run that was asked to stop may end with status 0."""
    unfinished = "ended before its last epoch"
    try:
        if run.folder.exists() and run.folder.read_record().finished:
            return State.FINISHED, ""
    except RunFolderError as error:
        unfinished = str(error)
    return (State.INTERRUPTED, "") if stop.count else (State.FAILED, problem or unfinished)
