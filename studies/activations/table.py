"""Figure 5: activations summed over channels, the padding schemes side by side, and how strong they are at the border.

Section 4.1, "Activation Map Visualization": the paper shows two layers of VGG19 and finds the strongest responses of
zero padding at the border. Here the maps come from records that `main.py activations` leaves in the run folders.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from evaluation.activations import border_and_interior, border_ratio_of
from records.evaluation import read_evaluations
from studies.activations import figure as activation_figure
from studies.activations.record import ActivationRecord
from studies.page import html
from studies.page.section import Section
from studies.page.tables import Column, Table, blocks, decimals
from studies.runs.collect import Collection, Run
from studies.stats.spread import mean

STEM = "figure5"
TITLE = "Activations summed over channels (Figure 5)"


@dataclass(frozen=True, eq=False)
class Beside:
    """Maps of one network that stand side by side: the same images and layers, a run a scheme.

    Attributes:
        network: name that the runs are compared under.
        runs: in the order of the schemes.
        records: one a run.
    """

    network: str
    runs: tuple[Run, ...]
    records: tuple[ActivationRecord, ...]


def study(collection: Collection, output: Path) -> Section | None:
    """Figure 5 as a section, or None if no maps were made.

    Writes `figure5.csv` and `.md` (every image), `figure5_ratio.csv` and `.md` (means over images), `figure5.png`.
    """
    found = side_by_side(collection)
    if not found:
        return None
    every, means = images_table(found), ratio_table(found)
    picture = output / f"{STEM}.png"
    picture.write_bytes(activation_figure.draw(found))
    body = html.paragraph(_reading()) + means.html()
    body += html.figure(html.picture(picture.read_bytes(), TITLE), _caption(found))
    body += html.details("Every image", every.html())
    return Section(
        TITLE, body, [means.printed()], [*every.write(output, STEM), *means.write(output, f"{STEM}_ratio"), picture]
    )


def side_by_side(collection: Collection) -> list[Beside]:
    """For each network the newest maps, and those of other schemes of the same images and layers."""
    found = []
    for network in collection.networks:
        runs = [run for group in collection.of(network) for run in group.runs]
        newest = {run: latest for run in runs if (latest := newest_record(run)) is not None}
        if not newest:
            continue
        last = max(newest, key=lambda run: newest[run][0])
        by_scheme = {last.record.padding: last}
        for run, (_, record) in newest.items():
            if record.shows == newest[last][1].shows:
                by_scheme.setdefault(run.record.padding, run)
        chosen = tuple(by_scheme[scheme] for scheme in collection.schemes if scheme in by_scheme)
        found.append(Beside(network, chosen, tuple(newest[run][1] for run in chosen)))
    return found


def newest_record(run: Run) -> tuple[int, ActivationRecord] | None:
    """The newest maps of a run, with the time of their file in ns; None if it has none."""
    records, _ = read_evaluations(run.folder, ActivationRecord)
    return max(
        ((path.stat().st_mtime_ns, record) for path, record in records.items()), key=lambda p: p[0], default=None
    )


def images_table(found: Sequence[Beside]) -> Table:
    """A line for each layer, image and scheme: means of the outermost ring and of the interior, and their ratio."""
    rows = []
    for beside, layer, run, record in _each(found):
        for image, values in zip(record.images, record.maps[layer], strict=True):
            height, width = values.shape
            border, interior = border_and_interior(torch.tensor(values))
            ratio = border_ratio_of(torch.tensor(values))
            size = f"{height} x {width}"
            row = [
                beside.network,
                layer,
                run.record.padding,
                run.record.seed,
                image.label,
                size,
                border,
                interior,
                ratio,
            ]
            rows.append([*(None if isinstance(cell, float) and math.isnan(cell) else cell for cell in row), image.path])
    columns = [Column(name) for name in ("Network", "layer", "padding", "seed", "image", "map")]
    columns += [Column(name, decimals(3)) for name in ("border", "interior", "border / interior")]
    columns.append(Column("file", only_csv=True))
    return Table("Border and interior of each map", columns, rows, blocks([(row[0], row[1]) for row in rows]))


def ratio_table(found: Sequence[Beside]) -> Table:
    """A line for each network and layer: the mean over the images of border / interior, a column a scheme."""
    schemes = list(dict.fromkeys(run.record.padding for beside in found for run in beside.runs))
    rows = []
    for beside in found:
        for layer in beside.records[0].maps:
            means = {
                run.record.padding: _mean_ratio(record, layer)
                for run, record in zip(beside.runs, beside.records, strict=True)
            }
            height, width = beside.records[0].maps[layer][0].shape
            count = len(beside.records[0].images)
            rows.append(
                [beside.network, layer, f"{height} x {width}", count, *(means.get(scheme) for scheme in schemes)]
            )
    columns = [Column(name) for name in ("Network", "layer", "map", "images")]
    columns += [Column(scheme, decimals(3)) for scheme in schemes]
    title = "Border / interior of summed activations, mean over the images (Figure 5)"
    return Table(title, columns, rows, blocks([row[0] for row in rows]))


def ratios(record: ActivationRecord, layer: str) -> list[float]:
    """Border over interior of each image's map of a layer; NaN where there is none."""
    return [border_ratio_of(torch.tensor(values)) for values in record.maps[layer]]


def _mean_ratio(record: ActivationRecord, layer: str) -> float | None:
    known = [ratio for ratio in ratios(record, layer) if not math.isnan(ratio)]
    return mean(known) if known else None


def _each(found: Sequence[Beside]):
    for beside in found:
        for layer in beside.records[0].maps:
            for run, record in zip(beside.runs, beside.records, strict=True):
                yield beside, layer, run, record


def _reading() -> str:
    return (
        "border / interior: the mean of the summed activations over the outermost ring of positions, over the mean of "
        "all others; above 1 the border responds more strongly than the rest. One run of each scheme, a few images: an "
        "illustration, no test."
    )


def _caption(found: Sequence[Beside]) -> str:
    runs = "; ".join(
        f"{beside.network}: " + ", ".join(f"{run.record.padding} seed {run.record.seed}" for run in beside.runs)
        for beside in found
    )
    return (
        "Left: the image as the network sees it. Then for each layer the map of each scheme, resized to the image; all "
        f"maps of a layer share one colour scale. {runs}."
    )
