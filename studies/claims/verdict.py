"""What the runs say of a claim: supported, contradicted, or not yet decidable, network by network.

Decided means p < ALPHA against the claim's line, which is mostly no difference; an interval that reaches over the line
decides nothing, however small the difference. Partial padding losing counts as its winning does.
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
    """What the runs of one network say of a claim.

    Attributes:
        network: or what else the claim is put to.
        found: estimate, interval and p value, the latter against the claim's line.
        paper: the paper's own figure of the same quantity, where it has one.
    """

    network: str
    found: Comparison
    paper: float | None = None


@dataclass(frozen=True)
class Claim:
    """A sentence of a paper as something that can be measured.

    Attributes:
        where: in the paper it stands; whose it is, if another's.
        command: the study that tests it.
        quantity: what is measured, with its unit.
        above: whether the claim puts the quantity above the line (True) or below it.
        evidence: from the runs; empty where they hold nothing for it.
    """

    text: str
    where: str
    command: str
    quantity: str
    above: bool
    evidence: Callable[[Collection], Iterable[Evidence]]
    line: float = 0.0

    def verdict(self, evidence: Evidence) -> Verdict:
        """Of one network's evidence."""
        found = evidence.found
        if found.p is None or found.p >= ALPHA:
            return Verdict.OPEN
        return Verdict.SUPPORTED if (found.mean > self.line) == self.above else Verdict.CONTRADICTED


def overall(verdicts: Sequence[Verdict]) -> Verdict:
    """Of all networks: decided only where every one is decided alike."""
    if len(set(verdicts)) < 2:
        return verdicts[0] if verdicts else Verdict.UNTESTED
    return Verdict.MIXED if {Verdict.SUPPORTED, Verdict.CONTRADICTED} <= set(verdicts) else Verdict.OPEN


def summary(verdicts: Sequence[Verdict]) -> str:
    """`not yet decidable (supported: 1 of 2)`: the overall verdict, with the networks that are decided."""
    words = str(overall(verdicts))
    counts = {each: verdicts.count(each) for each in (Verdict.SUPPORTED, Verdict.CONTRADICTED)}
    some = [f"{each}: {count} of {len(verdicts)}" for each, count in counts.items() if 0 < count < len(verdicts)]
    return f"{words} ({', '.join(some)})" if some else words
