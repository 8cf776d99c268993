"""Trains the networks of the red-green test that a record lacks, several at a time, and writes each result at once."""

import multiprocessing
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

import torch

from padding import PaddingError
from padding.registry import find_scheme
from padding.user_file import digest
from records.errors import UserError, in_one_line
from studies.location.record import FULL, VALID, LocationRecord
from studies.location.train import accuracies, make
from studies.runs.measured import read_same
from training.provenance import started

Task = tuple[str, int]
"""A scheme and a seed."""


def check(schemes: Sequence[str]) -> list[str]:
    """Returns `schemes` without repeats. Raises PaddingError if one is neither registered nor VALID or FULL."""
    return list(dict.fromkeys(each if each in (VALID, FULL) else find_scheme(each).name for each in schemes))


def measure(
    file: Path, schemes: Sequence[str], seeds: int, images: int, epochs: int, jobs: int, say: Callable[[str], None]
) -> LocationRecord:
    """Trains and tests `schemes` with the first `seeds` seeds; results that `file` already holds are not made again.

    Raises UserError if nothing could be trained, or `file` is no such record.
    """
    record = read_same(file, LocationRecord, {"images": images, "epochs": epochs}) or LocationRecord(images, epochs)
    record.failed = []
    record.provenance = started()
    usable = []
    for scheme in schemes:
        try:
            make(scheme)
        except PaddingError as error:
            record.failed.append(f"{scheme}: {in_one_line(error)}")
        else:
            usable.append(scheme)
            files = [] if scheme in (VALID, FULL) else [digest(file) for file in find_scheme(scheme).files]
            # The user's file that defines the scheme has changed since, so the results are of another scheme.
            if files != record.files.pop(scheme, []):
                record.accuracy.pop(scheme, None)
            record.files |= {scheme: files} if files else {}
    done = {(scheme, int(seed)) for scheme, seeds in record.accuracy.items() for seed in seeds}
    todo = [(scheme, seed) for seed in range(seeds) for scheme in usable if (scheme, seed) not in done]
    for number, ((scheme, seed), found) in enumerate(trained(todo, images, epochs, jobs), start=1):
        if isinstance(found, Exception):
            record.failed.append(f"{scheme}, seed {seed}: {in_one_line(found)}")
            continue
        record.accuracy.setdefault(scheme, {})[str(seed)] = found
        record.write(file)
        say(f"[{number}/{len(todo)}] {scheme}, seed {seed}: similar {found[0]:.1f} %, dissimilar {found[1]:.1f} %")
    if not record.accuracy:
        raise UserError("\n".join(["nothing could be trained:", *record.failed]))
    record.write(file)
    return record


def trained(
    todo: Sequence[Task], images: int, epochs: int, jobs: int
) -> Iterator[tuple[Task, list[float] | Exception]]:
    """Yields the result of `accuracies` for each task as it is done; computed in this process if `jobs` is 1."""
    if jobs == 1 or len(todo) < 2:
        yield from ((task, _result(lambda task=task: accuracies(*task, images, epochs))) for task in todo)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(jobs, len(todo)), context, _begin) as pool:
        futures = {pool.submit(accuracies, *task, images, epochs): task for task in todo}
        try:
            yield from ((futures[each], _result(each.result)) for each in as_completed(futures))
        finally:
            # On Ctrl-C, running tasks end within seconds, and waiting ones are not begun.
            pool.shutdown(cancel_futures=True)


def _result(call: Callable[[], list[float]]) -> list[float] | Exception:
    try:
        return call()
    except Exception as error:
        return error


def _begin() -> None:
    # Ctrl-C reaches every process of a terminal; the main process alone handles it, and ends the others.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    torch.set_num_threads(1)
