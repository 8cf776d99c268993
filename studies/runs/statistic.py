"""The one number that represents a run: its best epoch (Tables 2 and 5) or the average of its last five (Table 3).

Sections 4.1 and 4.2 of Partial Convolution based Padding, https://arxiv.org/abs/1811.11718. Values are in percent,
differences in percentage points.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from records import best, last_average
from records.rows import Row
from studies.runs import paper
from studies.runs.collect import Collection, Group
from studies.runs.fairness import is_of_imagenet
from studies.stats.intervals import Comparison, compare


@dataclass(frozen=True, eq=False)
class Statistic:
    """A number that represents a run.

    Attributes:
        column: word in the headings of the table: column `1_best` is the first run's.
        words: name of the statistic, as a title.
        explanation: explanation for readers, with `{metric}` in it.
        stem: end of the names of the files written.
        tables: maps a metric to the number of the paper's table that shows it.
        of: function that computes the value, in percent, from rows and metric.
    """

    column: str
    words: str
    explanation: str
    stem: str
    tables: Mapping[str, int]
    of: Callable[[list[Row], str], float | None]

    def title(self, metric: str) -> str:
        return self.words + (f" (Table {self.tables[metric]})" if metric in self.tables else "")

    def file(self, metric: str) -> str:
        """Stem of the files written, such as `table2_best`."""
        return (f"table{self.tables[metric]}_" if metric in self.tables else "") + self.stem

    def values(self, group: Group, metric: str) -> tuple[float, ...]:
        """The statistic of each run, in percent, in the order of the seeds."""
        return tuple(self.of(run.rows, metric) for run in group.runs)

    def difference(self, collection: Collection, group: Group) -> Comparison:
        """`group` minus zero padding, in points. Raises ValueError if there is nothing to compare it with."""
        baseline = collection.baseline(group)
        if baseline is None:
            raise ValueError(f"{group} has no runs with zero padding to be compared with")
        return compare(*(each.by_seed(self.values(each, collection.metric)) for each in (group, baseline)))

    def paper_row(self, group: Group, metric: str) -> paper.Row | None:
        """The paper's row for the network and scheme of `group`; None if the paper has no such row."""
        if metric not in self.tables:
            return None
        table, network = f"table{self.tables[metric]}", group.runs[0].record
        where = {"network": network.network, "padding": group.padding}
        # Table 5 is of two splits of Cityscapes; runs without a split are of other data, and must find no row.
        if network.variant or metric == "val/miou":
            split = network.variant.removeprefix("split")
            where["split"] = int(split) if split.isdecimal() else split
        row = paper.row(table, **where)
        return row if metric == "val/miou" or (row and is_of_imagenet(group.runs[0])) else None

    def paper_difference(self, group: Group, metric: str) -> float | None:
        """The paper's own difference from zero padding, in points; None if it prints none."""
        row = self.paper_row(group, metric)
        return row and row.get("diff")


BEST = Statistic(
    "best",
    "Best epoch of each run",
    "A run is represented by its highest {metric} over all epochs. The epoch is chosen on the set it is reported on, "
    "so these values are a little high for every scheme alike.",
    "best",
    {"val/acc1": 2, "val/miou": 5},
    best,
)
LAST5 = Statistic(
    "last5_avg",
    "Average of the last five epochs",
    "A run is represented by the mean of {metric} over its last five epochs; nothing is chosen. A run of five epochs "
    "or fewer counts with all of them, the first ones, too.",
    "last5",
    {"val/acc1": 3},
    last_average,
)
