"""The record that `main.py location` writes."""

from dataclasses import dataclass, field
from typing import Any, ClassVar

from records.codec import Record

VALID, FULL = "valid", "full"
"""Names beside those of the schemes: no padding, and zeros around every window that touches the image."""


@dataclass
class LocationRecord(Record):
    """The content of `location/location.json`; written after every network, so that the same command continues.

    Attributes:
        images: number of training images per network.
        epochs: epochs of the training.
        accuracy: pairs by scheme and seed, in percent: halves as trained (similar), and swapped (dissimilar).
        failed: a sentence for each scheme that could not be trained.
        provenance: start, command, versions, commit, host.
        files: digests of the user's files that define schemes, by scheme.
    """

    KIND: ClassVar[str] = "location"
    INDENT: ClassVar[int] = 1

    images: int
    epochs: int
    accuracy: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    failed: list[str] = field(default_factory=list)
    provenance: dict[str, Any] = field(default_factory=dict, repr=False)
    files: dict[str, list[str]] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        for scheme, seeds in self.accuracy.items():
            if any(len(pair) != 2 or not all(0 <= each <= 100 for each in pair) for pair in seeds.values()):
                raise ValueError(f"{scheme}: not two percentages a seed")

    def values(self, scheme: str) -> list[list[float]]:
        """The similar and the dissimilar accuracy of each seed, in the order of the seeds."""
        return [self.accuracy[scheme][seed] for seed in sorted(self.accuracy[scheme], key=int)]
