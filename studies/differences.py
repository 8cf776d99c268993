"""How far each scheme lies from zero padding, with the uncertainty that a few runs leave."""

from dataclasses import dataclass
from pathlib import Path

from studies import html, palette
from studies.accuracy import BEST, LAST5, Statistic, group_values, signed
from studies.collect import Collection, Group
from studies.section import Section
from studies.spread import mean, standard_error

HEAD = ("Network", "n", "best: diff", "std. error", "seed by seed", "last5: diff", "std. error", "seed by seed")


@dataclass(frozen=True)
class Difference:
    """A group minus the runs with zero padding, in percentage points.

    Attributes:
        mean: difference of the averages.
        error: standard error of `mean`; None if either side has one run.
        by_seed: difference for each seed that both sides ran exactly once; such runs start from the same weights and
            see the same samples.
    """

    mean: float
    error: float | None
    by_seed: tuple[float, ...]


def study(collection: Collection, output: Path) -> Section | None:
    """A line for each group, or None if nothing can be compared with zero padding. Writes and prints nothing."""
    pairs = [(group, reference) for group in collection.groups if (reference := other(collection, group))]
    if not pairs:
        return None
    styles = palette.styles(collection.schemes)
    rows, starts = [], []
    for number, (group, reference) in enumerate(pairs):
        if number and group.network != pairs[number - 1][0].network:
            starts.append(number)
        name = html.swatch(styles[group.padding]) + html.escape(
            f"{group.network}: {group.padding} − {reference.padding}"
        )
        cells = [cell for statistic in (BEST, LAST5) for cell in _cells(difference(collection, group, statistic))]
        rows.append([name, counts(group, reference), *cells])
    body = html.paragraph(
        "Differences of averages in percentage points. std. error: standard error of the difference, variances not "
        "assumed equal. seed by seed: lowest and highest difference between two runs of the same seed, which start "
        "from the same weights and see the same samples."
    )
    return Section("Differences from zero padding", body + html.table(HEAD, rows, starts))


def other(collection: Collection, group: Group) -> Group | None:
    """The runs with zero padding that `group` is compared with; None for themselves."""
    reference = collection.reference(group.network)
    return None if reference is group else reference


def difference(collection: Collection, group: Group, statistic: Statistic) -> Difference:
    """`group` minus zero padding. Raises ValueError if there is nothing to compare it with."""
    reference = other(collection, group)
    if reference is None:
        raise ValueError(f"{group.name} has no runs with zero padding to be compared with")
    ours = group_values(group, collection.metric, statistic)
    theirs = group_values(reference, collection.metric, statistic)
    ours_by_seed, theirs_by_seed = _by_seed(group, ours), _by_seed(reference, theirs)
    by_seed = tuple(value - theirs_by_seed[seed] for seed, value in ours_by_seed.items() if seed in theirs_by_seed)
    return Difference(mean(ours) - mean(theirs), standard_error(ours, theirs), by_seed)


def counts(group: Group, reference: Group) -> str:
    """Number of runs: `5`, or `5 and 4` where the two sides differ."""
    ours, theirs = len(group.runs), len(reference.runs)
    return str(ours) if ours == theirs else f"{ours} and {theirs}"


def _by_seed(group: Group, values: tuple[float, ...]) -> dict[int, float]:
    seeds = [run.record.seed for run in group.runs]
    return {seed: value for seed, value in zip(seeds, values, strict=True) if seeds.count(seed) == 1}


def _cells(found: Difference) -> list[str]:
    error = "-" if found.error is None else f"{found.error:.3f}"
    by_seed = f"{signed(min(found.by_seed))} to {signed(max(found.by_seed))}" if len(found.by_seed) > 1 else "-"
    return [signed(found.mean), error, by_seed]
