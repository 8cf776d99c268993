"""Tables and figures of the records of `main.py border-error`: errors and decisions by scheme."""

import math
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure as Canvas
from scipy import stats

from studies.border_error.record import TRUE, BorderErrorRecord
from studies.page import palette
from studies.page.blocks import Figure, Section
from studies.page.drawing import Drawing
from studies.page.heat import matrix, scale
from studies.page.measured import blocks_of, of_folder
from studies.page.tables import Column, Marked, Table, decimals, starts
from studies.stats.intervals import interval

TITLE = "Border error against true context"
FOLDER = "border-error"

LOW, HIGH = 1e-3, 10
"""Ends of the colour scale of NMSE; 1 is the variance of the true map."""

DEPTH = 7
"""Number of distances from the border that are drawn."""


def section(records: Sequence[BorderErrorRecord], output: Path, problems: Sequence[str] = ()) -> Section:
    """Returns the section; writes `border_error.csv` and `.md`, `border_error_layers.csv` and a .svg per record."""
    table, layers = make_table(records), layer_table(records)
    files = [*table.write(output, "border_error"), layers.write(output, "border_error_layers")[0]]
    figures = []
    for record in records:
        drawing = draw(record, by_error(record))
        files.append(drawing.write(output / f"border_error_{record.network}-{record.size}.svg".replace("/", "_")))
        figures.append(Figure([drawing], CAPTION, f"{record.network}, {record.images} images"))
    shown = [conditions(record) for record in records]
    blocks = blocks_of(records, problems, QUESTION, figures, READING, [table], shown)
    return Section(TITLE, blocks, files)


QUESTION = (
    "How far are the maps under a padding scheme from those of the same network that sees the real pixels around the "
    "image?"
)

READING = (
    "NMSE: squared difference of a layer's map from the same map with real context around the image, over the map's "
    "variance, at the border (d = 0); 0 is real context, 1 an error as large as the signal. last: last padded layer, "
    "whole network. mean: over the padded layers, whole network. alone: over the padded layers, each with true input. "
    "agree: images whose decision is that of the network with real context, in percent, with its 95 % interval. "
    "prob.: mean probability of the right class (where classes are not known: of the class decided with real "
    "context). top-1: of images whose class is known. Random weights know no class, and have neither."
)

CAPTION = (
    "Rows: schemes, nearest to real context first. Dark is better; NMSE 1 is an error as large as the map's variance. "
    "Left: errors of earlier layers included; middle: the layer's own; right: by distance from the border."
)


def conditions(record: BorderErrorRecord) -> str:
    """One line on a record: weights, images, margin, and how much the far border still changes the true maps."""
    floor, enlarged = record.floor[-1], ""
    if record.enlargement > 1:
        enlarged = f", enlarged up to {record.enlargement:.2g} times: their pixels are interpolated"
    return (
        f"{record.network} ({record.weights}): {record.images} images of {record.size} pixels with {record.margin} "
        f"pixels of real context on each side{enlarged}; NMSE that the far border leaves in the true maps, last layer: "
        f"{'unknown' if math.isnan(floor) else f'{floor:.2g}'}"
    )


def mean_error(record: BorderErrorRecord, scheme: str) -> float:
    """NMSE at the border, geometric mean over the layers: they differ by orders of magnitude."""
    values = _known(record.errors[scheme].whole)
    return float(np.exp(np.mean(np.log(np.maximum(values, 1e-12))))) if values else math.nan


def _known(layers: Sequence[Sequence[float]]) -> list[float]:
    return [each[0] for each in layers if not math.isnan(each[0])]


def by_error(record: BorderErrorRecord) -> list[str]:
    return sorted(record.errors, key=lambda scheme: mean_error(record, scheme))


def make_table(records: Sequence[BorderErrorRecord]) -> Table:
    """A row per network and scheme, nearest to real context first; real context itself is the first row."""
    columns = [Column("Network"), Column("scheme", only_csv=True), Column("n")]
    columns += [Column(f"NMSE {name}", _short) for name in ("last", "mean", "alone")]
    columns += [Column("agree", decimals(1)), Column("agree: 95 %")]
    trained = any(not _is_random(record) for record in records)
    columns += [Column("prob.", decimals(3), only_csv=not trained), Column("prob.: 95 %", only_csv=not trained)]
    columns.append(Column("top-1", decimals(1), only_csv=not trained))
    rows, blocks = [], []
    for record in records:
        styles = palette.styles(list(record.errors))
        for scheme in ([TRUE] if record.decisions and not _is_random(record) else []) + by_error(record):
            name = Marked(f"{record.network}_{scheme}", styles.get(scheme))
            rows.append([name, scheme, record.images, *_errors(record, scheme), *_decisions(record, scheme)])
            blocks.append(id(record))
    return Table(TITLE, columns, rows, starts(blocks))


def _errors(record: BorderErrorRecord, scheme: str) -> list[float | None]:
    found = record.errors.get(scheme)
    if found is None:
        return [None, None, None]
    alone = _known(found.alone)
    return [found.whole[-1][0], mean_error(record, scheme), float(np.mean(alone)) if alone else None]


def _decisions(record: BorderErrorRecord, scheme: str) -> list:
    if not record.decisions:
        return [None] * 5
    own, true = record.decisions[scheme], record.decisions[TRUE]
    same = int((own.predicted == true.predicted).sum())
    low, high = stats.binomtest(same, record.images).proportion_ci(method="wilson")
    agree = (None, None) if scheme == TRUE else (100 * same / record.images, f"{100 * low:.1f} to {100 * high:.1f}")
    if _is_random(record):
        return [*agree, None, None, None]
    around = interval(own.probability.astype(float).tolist())
    top1 = None if record.targets is None else 100 * float((own.predicted == np.array(record.targets)).mean())
    spread = f"{max(around[0], 0):.3f} to {min(around[1], 1):.3f}" if around else None
    return [*agree, float(own.probability.mean()), spread, top1]


def _is_random(record: BorderErrorRecord) -> bool:
    return record.weights.startswith("random, seed ")  # weights from a file are recorded by the file's name


def layer_table(records: Sequence[BorderErrorRecord]) -> Table:
    """A row per network, scheme, layer and distance."""
    names = ("Network", "scheme", "layer", "distance", "NMSE whole", "NMSE alone")
    rows = [
        [record.network, scheme, layer, distance, *pair]
        for record in records
        for scheme, found in record.errors.items()
        for layer, whole, alone in zip(record.layers, found.whole, found.alone, strict=True)
        for distance, pair in enumerate(zip(whole, alone, strict=True))
    ]
    return Table(f"{TITLE}, by layer and distance", [*map(Column, names)], rows, terminal=False)


def _short(value: float) -> str:
    return f"{value:.3f}" if value >= 0.01 or value < 1e-9 else f"{value:.1e}"


def draw(record: BorderErrorRecord, schemes: list[str]) -> Drawing:
    """Draws three matrices on one colour scale; `schemes` in the order of the rows."""
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

    def fill(figure: Canvas) -> None:
        places = figure.subplots(1, len(panels), sharey=True)
        for place, (title, (values, words)) in zip(places, panels.items(), strict=True):
            found = np.clip(np.array(values), LOW, HIGH)
            drawn = matrix(place, found, schemes, "viridis", LogNorm(LOW, HIGH))
            place.set_title(title, fontsize=9, loc="left")
            place.set_xlabel(words, fontsize=9)
            start = 0 if words.startswith("distance") else 1
            numbers = range(0, found.shape[1], max(1, found.shape[1] // 5))
            place.set_xticks(numbers, [str(number + start) for number in numbers], fontsize=9)
        scale(figure, drawn, list(places), "NMSE", [values for values, _ in panels.values()])

    size = (9.6, 0.23 * len(schemes) + 1.0)
    return Drawing(fill, size, f"Border error of {record.network}: schemes by layers and by distance")


def middle_layer(record: BorderErrorRecord) -> int:
    """The deepest layer whose maps have DEPTH rings, so that not all of them is border; the first if none has."""
    rings = [len(each) for each in next(iter(record.errors.values())).whole]
    return max((number for number, count in enumerate(rings) if count >= DEPTH), default=0)


study = partial(of_folder, folder=FOLDER, kind=BorderErrorRecord, title=TITLE, section=section)
