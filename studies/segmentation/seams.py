"""How stable a pixel's class is while the border of the patch around it moves: meanE, disR, and by distance."""

from functools import partial

import numpy as np
from matplotlib.axes import Axes

from studies.page import palette
from studies.page.drawing import draw_curve
from studies.page.measured import Cells, Records, RunsStudy, curves_by_scheme
from studies.page.tables import Column, decimals
from studies.stats.spread import mean, stdev

TITLE = "One pixel in several patches"

SHIFTS = 4
"""Patches per side; meanE and disR are over the pixels that all of them have in common."""

EDGES = (1, 2, 4, 8, 16, 32)
"""Edges of the bins of the distance to the nearer border of two patches, in pixels."""

BINS = ("0", "1", "2-3", "4-7", "8-15", "16-31", "32-")

READING = (
    f"Patches of about half the image's shorter side, {SHIFTS} x {SHIFTS} of them a multiple of the output stride "
    "apart. meanE: entropy of the classes that a pixel gets in all of them, in nats, mean over the pixels that all "
    "hold; disR: such pixels with more than one class, in percent (Mukai and Yamanaka, ICIP 2023). apart: pixels, in "
    "percent, to which two patches that overlap by half give different classes, by the distance in pixels to the "
    "nearer border; squared: squared difference of their logits over the logits' mean square, at distance 0. Less is "
    "steadier. Means over runs. The two patches show different surroundings, too, so this bounds the padding's share."
)
CAPTION = (
    "Different classes for one pixel in two patches, by distance to the nearer border; less is better, and zero "
    "padding is solid orange. Line: mean over runs; band: lowest to highest run."
)


def lines(records: Records) -> dict[str, Cells]:
    entropy, several, squared = ([each.values[name][0] for each in records] for name in ("meanE", "disR", "squared"))
    means = curves(records).mean(0).tolist()
    return {
        "": {
            Column("meanE", decimals(4)): mean(entropy),
            Column("disR", decimals(2)): mean(several),
            Column("stdev", decimals(2)): stdev(several),
            Column("squared", decimals(3)): mean(squared),
            **{Column(f"apart {name}", decimals(2)): value for name, value in zip(BINS, means, strict=True)},
        }
    }


def curves(records: Records) -> np.ndarray:
    """The disagreement in percent, (runs, bins), NaN in a bin without pixels."""
    return np.array([record.values["apart"] for record in records], float)


def plot(axes: Axes, schemes: list[tuple[palette.Style, Records]], _: str) -> None:
    places = range(len(BINS))
    for style, records in schemes:
        values = curves(records)
        ends = (values.min(0), values.max(0)) if len(values) > 1 else None
        draw_curve(axes, places, values.mean(0), ends, style, marker="o", markersize=4)
    axes.set_xticks(places, BINS)
    axes.set_ylim(bottom=0)
    axes.set_xlabel("pixels to the nearer border of two patches")
    axes.set_ylabel("different class (%)")


draw = partial(curves_by_scheme, plot=plot, title=TITLE, parts={"": ""})
study = RunsStudy("seams", TITLE, READING, CAPTION, lines, draw)
