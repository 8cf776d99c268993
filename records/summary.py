"""Summarises the rows of a run: the paper's two ways of reporting accuracy, and the epochs to a target.

"Best" and "last5" are the two procedures of Partial Convolution based Padding, section 4.1 (Tables 2 and 3).
"""

import math
from collections.abc import Iterable
from statistics import fmean

from records.rows import Row

LAST = 5
"""Number of last epochs that the paper's second way of reporting averages."""


def values(rows: Iterable[Row], metric: str) -> list[tuple[int, float]]:
    """Returns (epoch, value) of each row in which `metric` is a finite number."""
    return [(int(row["epoch"]), float(row[metric])) for row in rows if math.isfinite(row.get(metric, math.nan))]


def is_sound(row: Row) -> bool:
    """Returns whether all validation metrics are finite: an accuracy is a number even if some logits are NaN."""
    return all(math.isfinite(value) for name, value in row.items() if name.startswith("val/"))


def best(rows: list[Row], metric: str) -> float | None:
    """Highest value of `metric` over all epochs that pass `is_sound` (Table 2); None without any."""
    return max((value for _, value in values(filter(is_sound, rows), metric)), default=None)


def last_average(rows: list[Row], metric: str, count: int = LAST) -> float | None:
    """Mean of `metric` over the last `count` epochs that have it (Table 3), or over all if fewer; None without any."""
    found = [value for _, value in values(rows, metric)][-count:]
    return fmean(found) if found else None


def epochs_to(rows: list[Row], metric: str, target: float) -> int | None:
    """Number of epochs until `metric` first reaches `target` (1 for the first epoch); None if it never does."""
    return next((epoch + 1 for epoch, value in values(rows, metric) if value >= target), None)


def summarise(rows: list[Row], metric: str, targets: Iterable[float] = ()) -> dict[str, float | int]:
    """Returns the summary values by their names in a dashboard; leaves out a target that was not reached."""
    summary: dict[str, float | int | None] = {f"best/{metric}": best(rows, metric)}
    summary[f"last{LAST}/{metric}"] = last_average(rows, metric)
    for target in targets:
        summary[f"epochs_to/{metric}={target:g}"] = epochs_to(rows, metric, target)
    return {key: value for key, value in summary.items() if value is not None}
