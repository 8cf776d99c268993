"""Accuracy by the size of the test image, minus that at the size of training, for each network and scheme."""

from pathlib import Path

from matplotlib.axes import Axes

from records.checkpoint import MeasureRecord
from studies.page import palette
from studies.page.blocks import Section
from studies.page.drawing import PANEL_SIZE, Drawing, grid_of_panels, line_style
from studies.page.measured import Found, of_runs
from studies.page.tables import Column, Marked, Table, decimals, signed, starts
from studies.runs.collect import Collection
from studies.stats.spread import mean

TITLE = "Accuracy by the size of the test image"

WAYS = {"kept": "content's scale kept", "rescaled": "image rescaled"}

READING = (
    "Top-1 accuracy at the size of training (x 1), and at other sizes minus that, in points, mean over runs; 0 is a "
    "network that does not care. Kept: the centre of one larger image, its content at one scale; rescaled: the whole "
    "image. - where a map is too small for the scheme."
)

CAPTION = "Mean over runs. Flat and high is best: no size is the network's own. Zero padding for comparison."


def study(collection: Collection, output: Path) -> Section | None:
    """Writes `sizes.csv`, `.md` and `.svg`; None where no run was measured."""
    return of_runs(collection, output, "sizes", TITLE, READING, make_table, draw, CAPTION)


def differences(records: list[MeasureRecord], way: str) -> tuple[float | None, list[float | None]]:
    """Mean accuracy at the size of training, and the mean difference at each factor; None where a run has none."""
    at = records[0].how["factors"].index(1.0)
    own = [each.values[way][at] for each in records]
    if None in own:
        return None, [None] * len(records[0].values[way])
    columns = zip(*(each.values[way] for each in records), strict=True)
    return mean(own), [None if None in each else mean(each) - mean(own) for each in columns]


def make_table(found: Found) -> Table:
    """A line for each network, scheme and way."""
    factors = next(iter(found.values()))[0].how["factors"]
    columns = [Column("Network"), Column("content"), Column("n"), Column("images"), Column("x 1", decimals(2))]
    columns += [Column(f"x {factor:g}", signed(2)) for factor in factors if factor != 1]
    styles = palette.styles([group.padding for group in found])
    rows = []
    for group, records in found.items():
        for way in WAYS:
            own, others = differences(records, way)
            others = [each for each, factor in zip(others, factors, strict=True) if factor != 1]
            name = Marked(group, styles[group.padding])
            rows.append([name, way, len(records), records[0].images, own, *others])
    return Table(TITLE, columns, rows, starts([group.network for group in found for _ in WAYS]))


def draw(found: Found) -> Drawing:
    """Two panels a network: the content's scale kept, and rescaled."""
    networks = list(dict.fromkeys(group.network for group in found))
    styles = palette.styles([group.padding for group in found])

    def fill(axes: Axes, item: tuple[str, str]) -> None:
        network, way = item
        axes.axhline(0, color=palette.MUTED, linewidth=1)
        for group, records in found.items():
            if group.network == network:
                values = [float("nan") if each is None else each for each in differences(records, way)[1]]
                axes.plot(records[0].how["factors"], values, marker="o", **line_style(styles[group.padding]))
        axes.set_title(f"{network}, {WAYS[way]}", loc="left", parse_math=False)
        axes.set_xlabel("times the size of training")
        axes.set_ylabel("points from x 1")

    items = [(network, way) for network in networks for way in WAYS]
    return grid_of_panels(fill, items, PANEL_SIZE, TITLE, styles)
