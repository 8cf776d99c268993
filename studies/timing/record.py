"""What `main.py timing` measured: every time of every round, from which Table 1 is computed anew."""

import dataclasses
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from records.atomic import write_text
from studies.runs.collect import REFERENCE

NULL = "zero again"
"""A second copy under zero padding: its ratio to the first is what the machine's noise makes of no difference."""

EAGER, COMPILED = "eager", "compiled"

Times = dict[str, list[float]]
"""Scheme, or NULL, to its seconds, a value a round; the values of one round are neighbours in time."""


class TimingFileError(ValueError):
    """A file of measured times that is damaged; the message names it."""


@dataclass
class TimingCase:
    """One network at one size in one mode.

    Attributes:
        network: timm's name.
        height, width: of the images, in pixels.
        mode: EAGER or COMPILED.
        converted: how many convolutions pad by the scheme.
        unsupported: names of the layers that pad with zeros under every scheme.
        first: seconds of a first iteration.
        later: seconds of the iterations after it.
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


@dataclass
class TimingRecord:
    """The content of `timing.json`.

    Attributes:
        device: as torch calls it.
        hardware: its maker's name for it.
        threads: CPU threads within an operation.
        batch_size: images an iteration.
        precision: as the Trainer calls it.
        channels_last: whether images lie in memory as NHWC.
        warm_up: later iterations of each scheme that were run before the measured ones.
        seed: of the order within each round.
        clock: "wall", or "process" where only this process' CPU seconds count.
        cases: what was measured.
        failed: a sentence for each scheme or network that could not be.
        provenance: start, command, versions, commit, host.
    """

    device: str
    hardware: str
    threads: int
    batch_size: int
    precision: str
    channels_last: bool
    warm_up: int
    seed: int
    clock: str
    cases: list[TimingCase]
    failed: list[str] = field(default_factory=list)
    provenance: dict[str, Any] = field(default_factory=dict, repr=False)

    def write(self, path: str | Path) -> None:
        """Writes it as JSON, atomically."""
        write_text(path, json.dumps(dataclasses.asdict(self), indent=1) + "\n")

    @classmethod
    def read(cls, path: str | Path) -> "TimingRecord":
        """Raises TimingFileError, naming the file, if it is damaged or something else."""
        try:
            content = json.loads(Path(path).read_text())
            return cls(**{**content, "cases": [TimingCase(**case) for case in content["cases"]]})
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise TimingFileError(f"{path} is damaged, or no record of `main.py timing`: {error}") from None
