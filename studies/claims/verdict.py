"""Verdicts on a claim, network by network: supported, contradicted, or not yet decidable.

A verdict needs p < ALPHA against the claim's line, which for most claims is no difference; an interval that contains
the line decides nothing, however small the difference. A loss of partial padding counts like a win.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from studies.runs.collect import Collection
from studies.stats.intervals import ALPHA, Comparison


class Verdict(StrEnum):
    SUPPORTED = "supported"
    CONTRADICTED = "contradicted"
    OPEN = "not yet decidable"
    MIXED = "supported and contradicted"
    UNTESTED = "not tested"


@dataclass(frozen=True)
class Evidence:
    """The evidence of one network's runs for or against a claim.

    Attributes:
        network: network, or whatever else the claim is tested on.
        found: estimate, interval and p value, the latter against the claim's line.
        paper: the paper's figure for the same quantity; None if it has none.
    """

    network: str
    found: Comparison
    paper: float | None = None


@dataclass(frozen=True)
class Claim:
    """A statement of a paper, and the quantity that tests it.

    Attributes:
        where: place in the paper, or the other source of the claim.
        command: study that tests the claim.
        quantity: name of the measured quantity, with its unit.
        above: True if the claim puts the quantity above `line`, False if below.
        evidence: function that gets the evidence from the runs; empty if they hold none.
        line: value that the quantity is tested against.
    """

    text: str
    where: str
    command: str
    quantity: str
    above: bool
    evidence: Callable[[Collection], Iterable[Evidence]]
    line: float = 0.0

    def verdict(self, evidence: Evidence) -> Verdict:
        """The verdict on one network's evidence."""
        found = evidence.found
        if found.p is None or found.p >= ALPHA:
            return Verdict.OPEN
        return Verdict.SUPPORTED if (found.mean > self.line) == self.above else Verdict.CONTRADICTED


def overall(verdicts: Sequence[Verdict]) -> Verdict:
    """The verdict over all networks: decided only if all of them are decided alike."""
    if len(set(verdicts)) < 2:
        return verdicts[0] if verdicts else Verdict.UNTESTED
    return Verdict.MIXED if {Verdict.SUPPORTED, Verdict.CONTRADICTED} <= set(verdicts) else Verdict.OPEN


def summary(verdicts: Sequence[Verdict]) -> str:
    """The overall verdict with the number of decided networks: `not yet decidable (supported: 1 of 2)`."""
    words = str(overall(verdicts))
    counts = {each: verdicts.count(each) for each in (Verdict.SUPPORTED, Verdict.CONTRADICTED)}
    some = [f"{each}: {count} of {len(verdicts)}" for each, count in counts.items() if 0 < count < len(verdicts)]
    return f"{words} ({', '.join(some)})" if some else words
