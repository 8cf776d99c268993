"""The red-green test as a table and a figure, the published values beside ours.

Kayhan and van Gemert, On Translation Invariance in CNNs, CVPR 2020, section 3.2, https://arxiv.org/abs/2003.07064.
"""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from matplotlib.figure import Figure as Canvas

from studies.location.record import LocationRecord
from studies.page import palette
from studies.page.blocks import Bullets, Details, Figure, Notice, Section, Text
from studies.page.drawing import Drawing
from studies.page.measured import of_folder
from studies.page.tables import Column, Marked, Table, decimals
from studies.runs.measured import facts
from studies.stats.intervals import interval
from studies.stats.spread import mean, stdev

TITLE = "Location: the red-green test"
FOLDER = "location"

PUBLISHED = {"valid": (100.0, 0.2), "zero": (99.8, 8.4), "circular": (73.7, 73.7), "full": (89.7, 89.7)}
"""Similar and dissimilar, in percent, means of the paper's ten networks."""

CHANCE = 50


def section(records: Sequence[LocationRecord], output: Path, problems: Sequence[str] = ()) -> Section:
    """Returns the section of the last record; writes `location.csv`, `.md` and `.svg`."""
    record = records[-1]
    table, drawing = make_table(record), draw(record)
    blocks = [
        Text(QUESTION),
        Figure([drawing], CAPTION),
        Text(READING, muted=True),
        table,
        Notice("Not trained", [*problems, *record.failed], terminal=True),
        Details("Where this comes from", [Bullets([facts(record.provenance)])]),
    ]
    return Section(TITLE, blocks, [*table.write(output, "location"), drawing.write(output / "location.svg")])


QUESTION = (
    "Two classes differ in one thing: which of two colours stands left. In training, one class is always in the upper "
    "half of the image, the other in the lower; then the halves are swapped. A network that falls below chance had "
    "looked at the place instead of the colours, and only the border of its maps can tell it the place."
)

READING = (
    "similar: red left of green above, green left of red below, as trained. dissimilar: the halves swapped, so that a "
    "network that reads location is wrong; 50 % is chance. gap: similar minus dissimilar of the same network, with its "
    "95 % interval; 0 is a network that does not use location, which is best. published: the paper's values, of a "
    "network twice as wide, trained longer."
)

CAPTION = (
    "Filled: halves swapped (dissimilar); open: as trained (similar); a dot a seed, a larger one the mean. Diamonds: "
    "published. Both to the right and together is best; a filled dot at 0 is a network that reads location alone."
)


def by_gap(record: LocationRecord) -> list[str]:
    """The schemes, the smallest gap first."""
    return sorted(record.accuracy, key=lambda scheme: mean([a - b for a, b in record.values(scheme)]))


def make_table(record: LocationRecord) -> Table:
    """A row per scheme, the smallest gap first."""
    columns = [Column("scheme"), Column("n")]
    columns += [Column(name, decimals(1)) for name in ("similar", "stdev", "dissimilar", "stdev ", "gap")]
    columns.append(Column("gap: 95 %"))
    columns += [Column(name, decimals(1)) for name in ("published similar", "published dissimilar")]
    styles = palette.styles(list(record.accuracy))
    rows = []
    for scheme in by_gap(record):
        pairs = record.values(scheme)
        similar, dissimilar = ([pair[number] for pair in pairs] for number in (0, 1))
        gaps = [pair[0] - pair[1] for pair in pairs]
        around = interval(gaps)
        words = " to ".join(f"{min(max(end, -100), 100):.1f}" for end in around) if around else None  # no gap is > 100
        row = [mean(similar), stdev(similar), mean(dissimilar), stdev(dissimilar), mean(gaps), words]
        rows.append([Marked(scheme, styles[scheme]), len(pairs), *row, *PUBLISHED.get(scheme, (None, None))])
    return Table(TITLE, columns, rows)


def draw(record: LocationRecord) -> Drawing:
    """Draws a row of dots for each scheme."""
    schemes, styles = by_gap(record), palette.styles(list(record.accuracy))

    def fill(figure: Canvas) -> None:
        axes = figure.add_subplot()
        axes.axvline(CHANCE, color=palette.MUTED, linewidth=1, linestyle=(0, (4, 3)))
        for row, scheme in enumerate(schemes):
            colour = styles[scheme].placeholder
            for number, face in ((0, "none"), (1, colour)):
                values = [pair[number] for pair in record.values(scheme)]
                axes.plot(values, [row] * len(values), "o", markersize=3, color=colour, alpha=0.5, linestyle="none")
                axes.plot([mean(values)], [row], "o", markersize=8, color=colour, markerfacecolor=face)
                if scheme in PUBLISHED:
                    looks = {"markersize": 4, "color": palette.MUTED, "markerfacecolor": face}
                    axes.plot([PUBLISHED[scheme][number]], [row + 0.3], "D", **looks)
        axes.set_yticks(range(len(schemes)), schemes, parse_math=False, fontsize=9)
        axes.set_ylim(len(schemes) - 0.4, -0.6)
        axes.set_xlim(-3, 103)
        axes.grid(False, axis="y")
        axes.tick_params(axis="y", length=0, labelcolor=palette.INK)
        axes.set_xlabel("accuracy, % (50 is chance)")

    return Drawing(fill, (6.6, 0.27 * len(schemes) + 0.9), TITLE)


study = partial(of_folder, folder=FOLDER, kind=LocationRecord, title=TITLE, section=section)
