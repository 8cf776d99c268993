"""Maps of several padding schemes that can stand side by side: the same images and layers of one network."""

from dataclasses import dataclass

import torch

from evaluation.activations import border_ratio_of
from records.evaluation import read_evaluations
from studies.activations.record import ActivationRecord
from studies.runs.collect import Collection, Run


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


def ratios(record: ActivationRecord, layer: str) -> list[float]:
    """Border over interior of each image's map of a layer; NaN where there is none."""
    return [border_ratio_of(torch.tensor(values)) for values in record.maps[layer]]
