"""What the runs of a sweep cost, in device hours, from the epochs that were run: the median epoch of each group.

Hours of different devices are never added up: each kind has its own figures.
"""

import math
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from statistics import median
from typing import Any

from records import RunRecord
from records.rows import Row

CPU_NAMES = ("x86_64", "AMD64", "i386", "i686", "aarch64", "arm64", "arm", "ppc64le")
"""What stands in the place of a GPU's name where a machine has none."""


@dataclass(frozen=True)
class Hardware:
    """What a run computed on.

    Attributes:
        name: of the device, such as `NVIDIA A100-SXM4-80GB` or `CPU (x86_64)`.
        unit: what its hours count: `GPU hours`, or `core hours` of a CPU.
        count: GPUs, or cores of a CPU: processes times the threads of each.
    """

    name: str
    unit: str
    count: int


def hardware_of(attempts: Iterable[dict[str, Any]], trainer: dict[str, Any]) -> Hardware | None:
    """What all attempts at a run computed on; None if that was not recorded or differs between them.

    Args:
        attempts: of the run's record.
        trainer: the trainer's part of its configuration, for attempts that did not record their processes.
    """
    found = {_hardware(attempt, trainer) for attempt in attempts}
    return found.pop() if len(found) == 1 else None


def _hardware(attempt: dict[str, Any], trainer: dict[str, Any]) -> Hardware | None:
    devices = attempt.get("devices")
    if not isinstance(devices, list) or not devices:
        return None
    accelerator = attempt.get("accelerator") or trainer.get("accelerator")
    is_cpu = accelerator == "cpu" or (accelerator in (None, "auto") and devices[0] in CPU_NAMES)
    processes = attempt.get("processes") or _processes(trainer, 1 if is_cpu else len(devices))
    if is_cpu:
        # A machine with GPUs lists those, also for a run that uses none.
        name = f"CPU ({devices[0]})" if devices[0] in CPU_NAMES else "CPU"
        return Hardware(name, "core hours", processes * (attempt.get("threads") or 1))
    return Hardware(str(devices[0]), "GPU hours", processes)


def _processes(trainer: dict[str, Any], automatic: int) -> int:
    devices = trainer.get("devices")
    if isinstance(devices, list):
        count = len(devices)
    else:
        count = devices if isinstance(devices, int) and devices > 0 else automatic
    return count * (trainer.get("num_nodes") or 1)


@dataclass(frozen=True)
class Measured:
    """The epochs of one run that say what an epoch costs. All but `hardware` as in the run's record and rows."""

    record: RunRecord
    hardware: Hardware
    rows: list[Row]

    @property
    def hours(self) -> list[float]:
        """Device hours of each epoch."""
        return [row["seconds"] * self.hardware.count / 3600 for row in self.rows if "seconds" in row]


@dataclass(frozen=True)
class Rate:
    """The cost of an epoch.

    Attributes:
        hours: device hours of the median epoch.
        epochs: how many were measured.
        steps: optimiser steps of an epoch.
        source: the runs that were measured, such as `resnet50-partial` or, where there are none of that scheme,
            `resnet50`.
    """

    hours: float
    epochs: int
    steps: int
    source: str


class Rates:
    """The cost of an epoch by device, network and scheme.

    Args:
        measured: the runs with at least one epoch.
    """

    def __init__(self, measured: Iterable[Measured]) -> None:
        self._hours: dict[tuple[str, str], list[float]] = defaultdict(list)
        self._steps: dict[tuple[str, str], int] = {}
        self.units: dict[str, str] = {}
        for run in measured:
            if run.hours:
                self.units[run.hardware.name] = run.hardware.unit
                for source in sources(run.record):
                    self._hours[run.hardware.name, source] += run.hours
                    self._steps.setdefault((run.hardware.name, source), int(run.rows[0]["step"]))

    def of(self, record: RunRecord, device: str) -> Rate | None:
        """From runs of the same network, variant and scheme, else of the network and variant with any scheme, else of
        the network; None where `device` ran none of it."""
        for source in sources(record):
            if hours := self._hours.get((device, source)):
                return Rate(median(hours), len(hours), self._steps[device, source], source)
        return None


def sources(record: RunRecord) -> list[str]:
    """Names of the groups whose epochs cost what this run's do, the closest first."""
    return list(dict.fromkeys((record.group, record.compared_as, record.network)))


def expected_epochs(record: RunRecord, steps: int | None) -> int | None:
    """Length of a run whose epochs have `steps` optimiser steps (None: not known); None if nothing says it."""
    limits = [record.max_epochs] if record.max_epochs > 0 else []
    if record.max_steps > 0 and steps:
        limits.append(math.ceil(record.max_steps / steps))
    return min(limits, default=None)
