"""Border errors of one network: schemes by layers at the border, whole network and alone, and schemes by distance."""

import numpy as np
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from studies.border_error.record import BorderErrorRecord
from studies.page.drawing import Drawing
from studies.page.heat import matrix, scale

LOW, HIGH = 1e-3, 10
"""Ends of the colour scale of NMSE; 1 is the variance of the true map."""

DEPTH = 7
"""Distances from the border that are drawn."""


def draw(record: BorderErrorRecord, schemes: list[str]) -> Drawing:
    """Three matrices of one colour scale; `schemes` in the order of the rows."""
    errors = [record.errors[scheme] for scheme in schemes]
    middle = middle_layer(record)
    panels = {
        "whole network, at the border": ([[each[0] for each in found.whole] for found in errors], "layer"),
        "layer alone, at the border": ([[each[0] for each in found.alone] for found in errors], "layer"),
        f"whole network, layer {middle + 1}": (
            [found.whole[middle][:DEPTH] for found in errors],
            "distance from the border",
        ),
    }

    def fill(figure: Figure) -> None:
        places = figure.subplots(1, len(panels), sharey=True)
        for place, (title, (values, words)) in zip(places, panels.items(), strict=True):
            found = np.clip(np.array(values), LOW, HIGH)
            drawn = matrix(place, found, schemes, "viridis", LogNorm(LOW, HIGH))
            place.set_title(title, fontsize=9, loc="left")
            place.set_xlabel(words, fontsize=9)
            start = 0 if words.startswith("distance") else 1
            numbers = range(0, found.shape[1], max(1, found.shape[1] // 5))
            place.set_xticks(numbers, [str(number + start) for number in numbers], fontsize=9)
        scale(figure, drawn, list(places), "NMSE")

    size = (9.6, 0.23 * len(schemes) + 1.0)
    return Drawing(fill, size, f"Border error of {record.network}: schemes by layers and by distance")


def middle_layer(record: BorderErrorRecord) -> int:
    """The deepest layer whose maps still have DEPTH rings, else the first: deep, and not all border."""
    rings = [len(each) for each in next(iter(record.errors.values())).whole]
    return max((number for number, count in enumerate(rings) if count >= DEPTH), default=0)
