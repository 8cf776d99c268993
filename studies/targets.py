"""Epochs that each run needed to reach each target accuracy: section 4.1, "Convergence Speed", run by run."""

from pathlib import Path
from statistics import fmean

from rich.table import Table as Printed

from records import epochs_to
from studies import html, palette
from studies.collect import Collection, Group
from studies.section import Section, printed_table

TITLE = "Epochs to reach an accuracy"


def study(collection: Collection, output: Path) -> Section | None:
    """A line for each target and group, or None if the runs name no targets. Writes no file."""
    rows = [
        (target, group, group_epochs(group, collection.metric, target))
        for network in collection.networks
        for target in targets(collection.of(network))
        for group in collection.of(network)
    ]
    if not rows:
        return None
    styles = palette.styles(collection.schemes)
    body = html.paragraph(
        f"Epochs of training until {collection.metric} first reached the target; the first epoch counts as 1. The mean "
        "is over the runs that reached it, and so looks better than it is where some did not."
    )
    cells = [
        [html.swatch(styles[group.padding]) + html.escape(group.name), *map(html.escape, _cells(target, epochs))]
        for target, group, epochs in rows
    ]
    starts = [number for number in range(1, len(rows)) if rows[number][0] != rows[number - 1][0]]
    body += html.table(["Network", *HEAD], cells, starts)
    return Section(TITLE, body, [_printed(rows)])


HEAD = ("target", "reached", "mean", "each run")


def targets(groups: tuple[Group, ...]) -> list[float]:
    """Targets that the runs of `groups` name, in percent, lowest first."""
    return sorted({target for group in groups for run in group.runs for target in run.record.targets})


def group_epochs(group: Group, metric: str, target: float) -> list[int | None]:
    """Epochs to `target` of each run, None for one that never reached it."""
    return [epochs_to(run.rows, metric, target) for run in group.runs]


def _cells(target: float, epochs: list[int | None]) -> list[str]:
    reached = [count for count in epochs if count is not None]
    mean = f"{fmean(reached):.1f}" if reached else "-"
    each = ", ".join("-" if count is None else str(count) for count in epochs)
    return [f"{target:g} %", f"{len(reached)} of {len(epochs)}", mean, each]


def _printed(rows: list[tuple[float, Group, list[int | None]]]) -> Printed:
    table = printed_table(TITLE)
    for number, name in enumerate(["Network", *HEAD]):
        table.add_column(name, justify="right" if number else "left", no_wrap=True)
    for number, (target, group, epochs) in enumerate(rows):
        last = number + 1 == len(rows) or rows[number + 1][0] != target
        table.add_row(group.name, *_cells(target, epochs), end_section=last)
    return table
