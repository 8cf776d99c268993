"""The sentences that open the report: what was compared, and the differences from zero padding with their spread."""

from records.summary import LAST
from studies.page.tables import counts, interval, p_value
from studies.runs.collect import FIRST_SCHEMES, REFERENCE, Collection, Group
from studies.runs.statistic import BEST, LAST5
from studies.stats.intervals import ALPHA, Comparison

FEW = 5
"""Number of runs per scheme in the paper; below it the report says how few there are."""


def compared(collection: Collection) -> str:
    """One sentence on what was compared: runs, architectures, schemes, epochs and metric."""
    epochs = sorted({run.record.max_epochs for run in collection.runs})
    length = f"{epochs[0]}" if len(epochs) == 1 else f"{epochs[0]} to {epochs[-1]}"
    return (
        f"{_count(len(collection.runs), 'finished run')} of {_count(len(collection.networks), 'architecture')} "
        f"({', '.join(collection.networks)}) with {_count(len(collection.schemes), 'padding scheme')} "
        f"({', '.join(collection.schemes)}), {length} epochs each, compared by {collection.metric} in percent."
    )


def statements(collection: Collection) -> list[str]:
    """A sentence per architecture: the difference of partial padding, or else of other schemes, from zero padding."""
    return [_statement(collection, network) for network in collection.networks]


def caution(collection: Collection) -> str:
    """A sentence on how far the differences can be trusted, given the number of runs."""
    fewest = min(len(group.runs) for group in collection.groups)
    if fewest == 1:
        return (
            "Where a scheme has a single run there is no interval, so nothing tells its difference from chance: "
            "another seed may turn it around."
        )
    few = f"With {fewest} runs of a scheme the intervals are themselves uncertain. " if fewest < FEW else ""
    return (
        f"{few}A p value here is of one difference alone, which it decides below {ALPHA:g}; the table of differences "
        "corrects it for their number, and a claim is decided where every architecture decides it."
    )


def sentences(collection: Collection) -> tuple[str, ...]:
    return (compared(collection), *statements(collection), caution(collection))


def _statement(collection: Collection, network: str) -> str:
    if collection.reference(network) is None:
        return f"{network}: no finished run with {REFERENCE} padding, so there is no difference to state."
    others = [group for group in collection.of(network) if group.padding != REFERENCE]
    if not others:
        return f"{network}: only {REFERENCE} padding was run, so there is nothing to compare it with."
    chosen = [group for group in others if group.padding in FIRST_SCHEMES] or others
    return f"{network}: " + " ".join(_scheme(collection, group) for group in chosen)


def _scheme(collection: Collection, group: Group) -> str:
    best, last = (statistic.difference(collection, group) for statistic in (BEST, LAST5))
    short = all(run.record.max_epochs <= LAST for run in collection.runs)
    return (
        f"{group.padding} minus {REFERENCE} is {_points(best)} by the best epoch and {_points(last)} by the "
        f"average of {'all epochs, five at most' if short else 'the last five epochs'} (n = {counts(best)})."
    )


def _points(found: Comparison) -> str:
    words = f"{found.mean:+.2f} points"
    if found.low is None:
        return words
    p = p_value(found.p)
    return f"{words} (95 % interval {interval(found)}, p {p if p.startswith('<') else f'= {p}'})"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
