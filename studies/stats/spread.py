"""Mean and spread of a few runs, as Tables 2 and 3 need them.

`stdev` here is always the sample standard deviation, sqrt(SS / (n - 1)), with SS the sum of squared deviations from
the mean. The paper's column stdev follows two conventions: recomputed from the printed runs, its rows of reflection and
replication padding are sqrt(SS / (n - 1)) too, but its rows of zero and partial padding are sqrt(SS / (n + 1)), 0.816
times that at n = 5. (A population formula over six cells, the five runs and their average, gives it.) So the paper
compares zero with partial fairly, but neither with the other two; for zero and partial, values of this project are 1.22
times what the paper's convention gives.
"""

import statistics
from collections.abc import Sequence

mean = statistics.fmean
"""The arithmetic mean. Raises statistics.StatisticsError if there are no values."""

ROUNDING = 1e-9
"""Values no further apart count as equal. If two schemes differ by the same number of images under both seeds, their
differences differ by rounding, in the 15th digit: a t test would call that certain (p = 1e-15)."""


def stdev(values: Sequence[float]) -> float | None:
    """Sample standard deviation, 0 if no two values differ by more than ROUNDING; None for fewer than two values."""
    if len(values) < 2:
        return None
    return 0.0 if max(values) - min(values) <= ROUNDING else statistics.stdev(values)  # NaN if a value is NaN
