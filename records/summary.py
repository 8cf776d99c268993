"""What a run's rows say in a few numbers: the paper's two ways of reporting, and the epochs to a target.

"Best" and "last5" are the two procedures of Partial Convolution based Padding, section 4.1 (Tables 2 and 3).
"""

import math
from collections.abc import Iterable
from statistics import fmean

from records.rows import Row

LAST = 5
"""Epochs that the paper's second way of reporting averages over."""


def values(rows: Iterable[Row], metric: str) -> list[tuple[int, float]]:
    """(epoch, value) of each row that holds `metric` as a finite number."""
    return [(int(row["epoch"]), float(row[metric])) for row in rows if math.isfinite(row.get(metric, math.nan))]


def is_sound(row: Row) -> bool:
    """Whether all that was validated is finite: with a NaN among the logits an accuracy still is a number."""
    return all(math.isfinite(value) for name, value in row.items() if name.startswith("val/"))


def best(rows: list[Row], metric: str) -> float | None:
    """Highest value of `metric` over all epochs that are sound (Table 2), or None without any."""
    return max((value for _, value in values(filter(is_sound, rows), metric)), default=None)


def last_average(rows: list[Row], metric: str, count: int = LAST) -> float | None:
    """Mean of `metric` over the last `count` epochs that have it (Table 3), or over all; None without any."""
    found = [value for _, value in values(rows, metric)][-count:]
    return fmean(found) if found else None


def epochs_to(rows: list[Row], metric: str, target: float) -> int | None:
    """Epochs of training (1 is the first) to the first one measured at or above `target`, or None without one."""
    return next((epoch + 1 for epoch, value in values(rows, metric) if value >= target), None)


def summarise(rows: list[Row], metric: str, targets: Iterable[float] = ()) -> dict[str, float | int]:
    """Summary values by the names they have in a dashboard; a target that was not reached is left out."""
    summary: dict[str, float | int | None] = {f"best/{metric}": best(rows, metric)}
    summary[f"last{LAST}/{metric}"] = last_average(rows, metric)
    for target in targets:
        summary[f"epochs_to/{metric}={target:g}"] = epochs_to(rows, metric, target)
    return {key: value for key, value in summary.items() if value is not None}
