"""Selects activation maps of several padding schemes that can be compared, and measures how strong their border is."""

import math
from dataclasses import dataclass

import numpy as np

from records.checkpoint import ActivationRecord
from studies.runs.collect import Collection, Run


@dataclass(frozen=True, eq=False)
class Beside:
    """Maps of one network for the same images and layers: one run per scheme, in the order of the schemes."""

    network: str
    records: dict[Run, ActivationRecord]

    @property
    def first(self) -> ActivationRecord:
        """The first record; all records have its images and layers."""
        return next(iter(self.records.values()))


def side_by_side(collection: Collection) -> list[Beside]:
    """Finds the newest maps of each network, and the maps of other schemes for the same images and layers."""
    found = []
    for network in collection.networks:
        newest: dict[Run, tuple[int, ActivationRecord]] = {}
        for run in (run for group in collection.of(network) for run in group.runs):
            records = run.evaluations(ActivationRecord)
            if records:
                path = list(records)[-1]
                newest[run] = path.stat().st_mtime_ns, records[path]
        if not newest:
            continue
        last = max(newest, key=lambda run: newest[run][0])
        by_scheme = {last.record.padding: last}
        for run, (_, record) in newest.items():
            if record.shows == newest[last][1].shows:
                by_scheme.setdefault(run.record.padding, run)
        chosen = [by_scheme[scheme] for scheme in collection.schemes if scheme in by_scheme]
        found.append(Beside(network, {run: newest[run][1] for run in chosen}))
    return found


def border_and_interior(summed: np.ndarray) -> tuple[float, float]:
    """Means over the outermost ring of positions of a map (H, W), and over the positions inside it (NaN if none).

    >>> border_and_interior(np.array([[3.0, 3, 3], [3, 1, 3], [3, 3, 3]]))
    (3.0, 1.0)
    """
    # In double precision: the ring is a small difference of two large sums.
    interior = summed[1:-1, 1:-1].astype(float)
    ring = summed.astype(float).sum() - interior.sum()
    return float(ring / (summed.size - interior.size)), float(interior.mean()) if interior.size else math.nan


def border_ratio(summed: np.ndarray) -> float:
    """Border mean / interior mean of a map (H, W), above 1 for a stronger border; NaN without interior or if it is 0.

    >>> border_ratio(np.array([[3.0, 3, 3], [3, 1, 3], [3, 3, 3]]))
    3.0
    """
    border, interior = border_and_interior(summed)
    return border / interior if interior else math.nan


def ratios(record: ActivationRecord, layer: str) -> list[float]:
    """The `border_ratio` of each image's map of a layer."""
    return [border_ratio(values) for values in record.maps[layer]]
