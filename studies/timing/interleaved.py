"""Times functions in turns, round after round.

Other load of the machine then affects all functions alike, and the ratio of two times of one round has less noise than
the ratio of two averages.
"""

import platform
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

Step = Callable[[], object]


class StepError(RuntimeError):
    """Wraps the error `cause` that was raised while the step `name` was prepared or timed."""

    def __init__(self, name: str, cause: Exception):
        super().__init__(f"{name}: {cause}")
        self.name, self.cause = name, cause


@dataclass(frozen=True)
class Stopwatch:
    """Measures the seconds that a step takes until the device has finished it.

    Attributes:
        device: device of the step, whose queued work is waited for before and after it.
        clock: clock in seconds; `time.process_time` counts this process' CPU seconds: steadier on a shared CPU.
    """

    device: torch.device
    clock: Callable[[], float] = time.perf_counter

    def __call__(self, step: Step) -> float:
        synchronise(self.device)
        start = self.clock()
        step()
        synchronise(self.device)
        return self.clock() - start


def interleaved(
    names: Sequence[str],
    prepare: Callable[[str], Step],
    rounds: int,
    stopwatch: Callable[[Step], float],
    seed: int = 0,
    warm_up: int = 0,
) -> dict[str, list[float]]:
    """Measures the seconds of each name in each round; every round runs all names, in an order shuffled anew.

    Args:
        prepare: function from a name to the step that is timed; called right before it, untimed.
        seed: seed of the orders.
        warm_up: rounds before the rounds that count.

    Raises:
        StepError: preparing or running a step raised an error; names the step.
    """
    shuffle = random.Random(seed).shuffle
    seconds: dict[str, list[float]] = {name: [] for name in names}
    for _ in range(warm_up + rounds):
        order = list(names)
        shuffle(order)
        for name in order:
            try:
                seconds[name].append(stopwatch(prepare(name)))
            except Exception as error:
                raise StepError(name, error) from error
    return {name: times[warm_up:] for name, times in seconds.items()}


def synchronise(device: torch.device) -> None:
    """Waits until `device` has finished all queued work."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


def describe_device(device: torch.device) -> str:
    """The maker's name of the device, if the system knows it."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if device.type == "cpu" and cpuinfo.exists() else []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, f"{platform.processor() or platform.machine()} {device.type}".strip())
