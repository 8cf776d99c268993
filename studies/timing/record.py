"""The record that `main.py timing` writes: every time of every round, from which Table 1 is computed."""

import math
from dataclasses import dataclass, field
from typing import Any, ClassVar

from records.codec import Record
from studies.runs.collect import REFERENCE

NULL = "zero again"
"""A second copy under zero padding; its ratio to the first shows the measurement noise."""

EAGER, COMPILED, GRAPHS = "eager", "compiled", "graphs"

Times = dict[str, list[float]]
"""Maps a scheme, or NULL, to its seconds, one value per round; the values of one round are neighbours in time."""


@dataclass
class TimingCase:
    """One network at one size in one mode.

    Attributes:
        network: timm's name of the network.
        height, width: size of the images in pixels.
        mode: EAGER, COMPILED, or GRAPHS: a CUDA graph, captured in the first iteration and replayed in later ones.
        converted: number of convolutions that pad by the scheme.
        unsupported: names of the layers that pad with zeros under every scheme.
        first: seconds of first iterations.
        later: seconds of later iterations.
    """

    network: str
    height: int
    width: int
    mode: str
    converted: int
    unsupported: list[str]
    first: Times = field(repr=False)
    later: Times = field(repr=False)

    def __post_init__(self) -> None:
        for times in (self.first, self.later):
            lengths = {len(seconds) for seconds in times.values()}
            if not {REFERENCE, NULL} <= set(times) or len(lengths) != 1 or min(lengths) < 2:
                raise ValueError(f"{self.network}: every scheme needs as many rounds as zero padding, two at least")
            if not all(0 < value < math.inf for seconds in times.values() for value in seconds):
                raise ValueError(f"{self.network}: a time is no number of seconds")


@dataclass
class TimingRecord(Record):
    """The content of `timing.json`.

    Attributes:
        device: torch's name of the device.
        hardware: maker's name of the device.
        threads: CPU threads within an operation.
        batch_size: images per iteration.
        warm_up: later iterations of each scheme that were run before the measured ones.
        clock: "wall", or "process" if only this process' CPU seconds count.
        cases: measured networks, sizes and modes.
        failed: a sentence for each scheme or network that could not be measured.
        provenance: start, command, versions, commit, host.
        precision, channels_last, seed: settings of earlier versions, which could measure half precision and NHWC.
    """

    KIND: ClassVar[str] = "timing"
    INDENT: ClassVar[int] = 1

    device: str
    hardware: str
    threads: int
    batch_size: int
    warm_up: int
    clock: str
    cases: list[TimingCase]
    failed: list[str] = field(default_factory=list)
    provenance: dict[str, Any] = field(default_factory=dict, repr=False)
    precision: str = "32-true"
    channels_last: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.cases:
            raise ValueError("it holds no measured network")
