"""Accuracy by the size of the test image, minus accuracy at the size of training, per network and scheme."""

from functools import partial

from matplotlib.axes import Axes

from studies.page import palette
from studies.page.drawing import line_style
from studies.page.measured import Cells, Records, RunsStudy, curves_by_scheme
from studies.page.tables import Column, decimals, signed
from studies.stats.spread import mean

TITLE = "Accuracy by the size of the test image"

WAYS = {"kept": "content's scale kept", "rescaled": "image rescaled"}

READING = (
    "Top-1 accuracy at the size of training (x 1), and at other sizes minus that, in points, mean over runs; 0 is a "
    "network that does not care. Kept: the centre of one larger image, its content at one scale; rescaled: the whole "
    "image. - where a map is too small for the network."
)

CAPTION = "Mean over runs. Flat and high is best: no size is the network's own. Zero padding for comparison."


def differences(records: Records, way: str) -> tuple[float | None, dict[float, float | None]]:
    """Mean accuracy at the size of training, and the mean difference at each factor; None if a run has no value."""
    factors = records[0].how["factors"]
    own = [each.values[way][factors.index(1.0)] for each in records]
    if None in own:
        return None, dict.fromkeys(factors)
    columns = zip(*(each.values[way] for each in records), strict=True)
    others = [None if None in each else mean(each) - mean(own) for each in columns]
    return mean(own), dict(zip(factors, others, strict=True))


def lines(records: Records) -> dict[str, Cells]:
    found = {}
    for way in WAYS:
        own, others = differences(records, way)
        cells = {Column(f"x {factor:g}", signed(2)): value for factor, value in others.items() if factor != 1}
        found[way] = {Column("x 1", decimals(2)): own, **cells}
    return found


def plot(axes: Axes, schemes: list[tuple[palette.Style, Records]], way: str) -> None:
    axes.axhline(0, color=palette.MUTED, linewidth=1)
    for style, records in schemes:
        others = differences(records, way)[1]
        values = [float("nan") if each is None else each for each in others.values()]
        axes.plot(list(others), values, marker="o", **line_style(style))
    axes.set_xlabel("times the size of training")
    axes.set_ylabel("points from x 1")


draw = partial(curves_by_scheme, plot=plot, title=TITLE, parts=WAYS)
study = RunsStudy("sizes", TITLE, READING, CAPTION, lines, draw, each="content")
