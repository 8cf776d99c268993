"""The rows of Table 1, computed from measured times: each scheme's median time, and its ratio to zero padding.

Section 3 of Partial Convolution based Padding, https://arxiv.org/abs/1811.11718. A ratio is that of two times of the
same round, of first iterations to first ones under zero padding, of later ones to later ones; the median is shown.
"""

from dataclasses import dataclass
from itertools import product

from studies.runs import paper
from studies.runs.collect import REFERENCE, scheme_order
from studies.timing.record import EAGER, NULL, TimingCase, TimingRecord

FIRST, LATER = "first", "later"
WORDS = {FIRST: "1st", LATER: "2nd - nth"}
"""Names of the iterations in the paper's Table 1."""


@dataclass(frozen=True, eq=False)
class Line:
    """One scheme's first or later iterations.

    Attributes:
        seconds: seconds in each round.
        relative: time in each round in percent of zero padding's time in that round; 100 for zero padding itself.
    """

    record: TimingRecord
    case: TimingCase
    scheme: str
    iteration: str
    seconds: list[float]
    relative: list[float]

    def __str__(self) -> str:
        """The name as in the paper's table, such as `resnet50_partial (1st)`."""
        return f"{self.case.network}_{self.scheme} ({WORDS[self.iteration]})"

    @property
    def paper(self) -> paper.Row | None:
        """The paper's row of the same network, scheme and iteration; None if it has none, or if conditions differ.

        For zero padding the paper has one row for all iterations, which is shown beside the later ones here.
        """
        case = self.case
        if (case.height, case.width, case.mode, self.record.batch_size) != (224, 224, EAGER, 1):
            return None
        found = paper.rows("table1", network=case.network, padding=self.scheme)
        wanted = (self.iteration, "all") if self.iteration == LATER else (self.iteration,)
        return next((row for row in found if row["iteration"] in wanted), None)


def lines(record: TimingRecord) -> list[Line]:
    """Computes the lines, case by case, scheme by scheme, zero padding and its null pair first."""
    found = []
    for case in record.cases:
        others = sorted(set(case.later) - {REFERENCE, NULL}, key=scheme_order)
        iterations = ((FIRST, case.first), (LATER, case.later))
        for scheme, (iteration, times) in product([REFERENCE, NULL, *others], iterations):
            # Rounds are paired by position: the record keeps their order.
            relative = [100 * own / zero for own, zero in zip(times[scheme], times[REFERENCE], strict=True)]
            found.append(Line(record, case, scheme, iteration, times[scheme], relative))
    return found
