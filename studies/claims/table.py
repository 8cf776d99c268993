"""The section of claims: a row per claim with its verdict, then the evidence by network."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from studies.claims import accuracy, measurements, others
from studies.claims.verdict import Claim, Evidence, Verdict, summary
from studies.page.blocks import Details, Section, Text
from studies.page.tables import Column, Table, counts, decimals, p_value, starts
from studies.runs.collect import Collection
from studies.stats.intervals import ALPHA

CLAIMS: tuple[Claim, ...] = (*accuracy.CLAIMS, *measurements.CLAIMS, *others.CLAIMS)
"""Claims that training curves decide, claims that need a measurement, and claims of other papers."""


@dataclass(frozen=True)
class ExaminedClaim:
    """A claim, its number on the page, and its evidence from the runs."""

    number: int
    claim: Claim
    evidence: tuple[Evidence, ...]

    @property
    def verdicts(self) -> list[Verdict]:
        return [self.claim.verdict(each) for each in self.evidence]


def study(collection: Collection, output: Path) -> Section:
    """Returns every claim with its verdict as a section; writes `claims` and `claims_evidence` as .csv and .md."""
    tested = examine(collection)
    every, long = _summary(tested), _evidence(tested)
    files = [*every.write(output, "claims"), *long.write(output, "claims_evidence")]
    found = [each for each in tested if each.evidence]
    blocks = [Text(READING), _summary(found), Text(_untested(tested))] if found else [Text(_untested(tested))]
    return Section(every.title, [*blocks, Details("The evidence, network by network", [long])], files)


def _untested(tested: Sequence[ExaminedClaim]) -> str:
    """One line on the claims without evidence: their numbers, by the command that would produce it."""
    numbers: dict[str, list[str]] = {}
    for each in tested:
        if not each.evidence:
            numbers.setdefault(each.claim.command, []).append(str(each.number))
    by_command = "; ".join(f"{', '.join(found)} by main.py {command}" for command, found in numbers.items())
    return f"Not tested by these runs, of {len(tested)} claims: {by_command or 'none'}."


def examine(collection: Collection) -> list[ExaminedClaim]:
    """Collects the evidence for every claim; claims without evidence are included."""
    numbered = enumerate(CLAIMS, start=1)
    return [ExaminedClaim(number, claim, tuple(claim.evidence(collection))) for number, claim in numbered]


def _summary(tested: Sequence[ExaminedClaim]) -> Table:
    columns = [Column(name, words=True) for name in ("Claim", "where", "these runs", "n", "study")]
    rows = []
    for each in tested:
        n = sorted({counts(evidence.found) for evidence in each.evidence})
        runs, command = ", ".join(n) or None, f"main.py {each.claim.command}"
        rows.append([f"{each.number}. {each.claim.text}", each.claim.where, summary(each.verdicts), runs, command])
    return Table("Claims of the paper, and of others", columns, rows)


def _evidence(tested: Sequence[ExaminedClaim]) -> Table:
    columns = [Column("Claim"), Column("network", words=True), Column("quantity", words=True)]
    columns += [*(Column(name, decimals(3)) for name in ("estimate", "low", "high")), Column("p", p_value)]
    columns += [Column("n"), Column("seeds needed"), Column("paper", decimals(3)), Column("verdict", words=True)]
    rows = []
    for each in tested:
        for evidence, verdict in zip(each.evidence, each.verdicts, strict=True):
            found = evidence.found
            row = [each.number, evidence.network, each.claim.quantity, found.mean, found.low, found.high, found.p]
            rows.append([*row, counts(found), found.seeds, evidence.paper, str(verdict)])
    return Table("Evidence", columns, rows, starts([row[0] for row in rows]))


READING = (
    f"A claim is supported or contradicted where the test of its quantity gives p < {ALPHA:g} for every network, and "
    "not yet decidable where it does not: few runs decide little. Runs of small networks on small images say nothing "
    "about the paper's, which are ResNets and VGGs on ImageNet and DeepLabV3+ on Cityscapes. n: runs of a side, of "
    "Table 1 rounds, of Figure 5 images, of linear prediction layers. With this many tests some small p value is to be "
    "expected by chance."
)
