"""The page of claims: a line a claim with its verdict, then the evidence by network, and the same as a picture."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas

from studies.claims import accuracy, measurements
from studies.claims.verdict import Claim, Evidence, Verdict, summary
from studies.page import palette
from studies.page.blocks import Details, Figure, Section, Text
from studies.page.drawing import Drawing
from studies.page.tables import Column, Table, counts, decimals, p_value, starts
from studies.runs.collect import Collection
from studies.stats.intervals import ALPHA, CONFIDENCE, POWER

CLAIMS: tuple[Claim, ...] = (*accuracy.CLAIMS, *measurements.CLAIMS)
"""Those that training curves decide, then those that need a measurement."""

COLOURS = {Verdict.SUPPORTED: 2, Verdict.CONTRADICTED: 4}
"""Verdict to the number of a colour of the palette; the others are grey."""


@dataclass(frozen=True)
class ExaminedClaim:
    """A claim, its number on the page, and what the runs hold for it."""

    number: int
    claim: Claim
    evidence: tuple[Evidence, ...]

    @property
    def verdicts(self) -> list[Verdict]:
        return [self.claim.verdict(each) for each in self.evidence]


def study(collection: Collection, output: Path) -> Section:
    """Every claim with its verdict as a section; writes `claims.csv`, `claims.md` and `claims.svg`."""
    tested = examine(collection)
    short, long, drawing = _summary(tested), _evidence(tested), draw(tested)
    files = [*short.write(output, "claims"), *long.write(output, "claims_evidence")]
    files.append(drawing.write(output / "claims.svg"))
    evidence = Details("The evidence, network by network", [long])
    return Section(short.title, [Text(READING), short, Figure([drawing], CAPTION), evidence], files)


def examine(collection: Collection) -> list[ExaminedClaim]:
    """Each claim with what the runs hold for it, those without evidence too."""
    numbered = enumerate(CLAIMS, start=1)
    return [ExaminedClaim(number, claim, tuple(claim.evidence(collection))) for number, claim in numbered]


def _summary(tested: Sequence[ExaminedClaim]) -> Table:
    columns = [Column("Claim"), Column("in the paper"), Column("these runs"), Column("n"), Column("study")]
    rows = []
    for each in tested:
        n = sorted({counts(evidence.found) for evidence in each.evidence})
        runs, command = ", ".join(n) or None, f"main.py {each.claim.command}"
        rows.append([f"{each.number}. {each.claim.text}", each.claim.where, summary(each.verdicts), runs, command])
    return Table("The paper's claims", columns, rows, words=True)


def _evidence(tested: Sequence[ExaminedClaim]) -> Table:
    columns = [Column("Claim"), Column("network"), Column("quantity")]
    columns += [*(Column(name, decimals(3)) for name in ("estimate", "low", "high")), Column("p", p_value)]
    columns += [Column("n"), Column("seeds needed"), Column("paper", decimals(3)), Column("verdict")]
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
    "about the paper's, which are ResNets and VGGs on ImageNet and DeepLabV3+ on Cityscapes. not tested: the study in "
    "the last column has to be run first, or these runs cannot show it. n: runs of a side, of Table 1 rounds, of "
    "Figure 5 images. With this many tests some small p value is to be expected by chance."
)

CAPTION = (
    f"Each line is a claim put to one network. Dot: the estimate; bar: its {CONFIDENCE:.0%} interval, both in units of "
    "half the interval, turned so that the paper's direction is to the right. A bar that crosses the line decides "
    f"nothing. seeds needed, in the table: to decide it with power {POWER:g}, if it is as found."
)


def draw(tested: Sequence[ExaminedClaim]) -> Drawing:
    """The evidence as a picture: right of the line the paper is right, left of it wrong."""
    lines = [
        (f"{each.number}. {evidence.network}", _in_half_widths(each.claim, evidence), verdict)
        for each in tested
        for evidence, verdict in zip(each.evidence, each.verdicts, strict=True)
        if evidence.found.low is not None
    ]
    if not lines:
        return Drawing(_nothing, (7.2, 0.8), "no claim can be decided")

    def fill(canvas: Canvas) -> None:
        axes = canvas.add_subplot()
        axes.axvline(0, color=palette.MUTED, linewidth=1)
        for height, (_, ends, verdict) in zip(range(len(lines), 0, -1), lines, strict=True):
            _draw_line(axes, height, *ends, verdict)
        axes.set_yticks(range(len(lines), 0, -1), [name for name, *_ in lines], parse_math=False)
        # Every bar is two wide; an estimate many widths away would squeeze the others, so the picture ends at 4.
        axes.set_xlim(-4, 4)
        axes.set_xlabel("contradicts the paper  ←    → supports it")
        axes.grid(visible=False)

    return Drawing(fill, (7.2, 0.9 + 0.26 * len(lines)), "Evidence for and against the paper's claims")


def _nothing(canvas: Canvas) -> None:
    canvas.text(0.5, 0.5, "No interval yet: a second run of each scheme gives the first.", ha="center", va="center")


def _in_half_widths(claim: Claim, evidence: Evidence) -> tuple[float, float, float]:
    found, sign = evidence.found, 1 if claim.above else -1
    half = (found.high - found.low) / 2
    middle, *ends = (sign * (value - claim.line) / half for value in (found.mean, found.low, found.high))
    return middle, *sorted(ends)


def _draw_line(axes: Axes, height: int, estimate: float, low: float, high: float, verdict: Verdict) -> None:
    colour = palette.Style(COLOURS[verdict], "none").placeholder if verdict in COLOURS else palette.MUTED
    axes.hlines(height, max(low, -4), min(high, 4), color=colour, linewidth=2.5)
    # Beyond the picture's edge an arrow stands for the dot.
    marker = "o" if abs(estimate) <= 4 else (">" if estimate > 0 else "<")
    axes.plot([max(-3.9, min(3.9, estimate))], [height], marker, color=colour, markersize=6)
