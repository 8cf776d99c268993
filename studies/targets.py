"""Epochs that the runs needed to reach each target accuracy: section 4.1, "Convergence Speed", run by run."""

from pathlib import Path
from statistics import fmean

from records import epochs_to
from studies import html, palette
from studies.collect import Collection, Group
from studies.section import Section, printed_table

TITLE = "Epochs to reach an accuracy"


def study(collection: Collection, output: Path) -> Section | None:
    """A line for each group and a column for each target, or None if the runs name no targets. Writes no file."""
    named = targets(collection.groups)
    if not named:
        return None
    styles = palette.styles(collection.schemes)
    rows, starts = [], []
    printed = printed_table(TITLE)
    for number, name in enumerate(head := ["Network", *(f"{target:g} %" for target in named)]):
        printed.add_column(name, justify="right" if number else "left", no_wrap=True)
    for number, group in enumerate(collection.groups):
        if number and group.network != collection.groups[number - 1].network:
            starts.append(number)
            printed.add_section()
        found = [group_epochs(group, collection.metric, target) for target in named]
        printed.add_row(group.name, *map(mean_epochs, found))
        label = html.swatch(styles[group.padding]) + html.escape(group.name)
        rows.append([label, *(f"{mean_epochs(each)}<br>{html.muted(_each(each))}" for each in found)])
    body = html.paragraph(
        f"Epochs of training until {collection.metric} first reached the target, the first epoch counting as 1: the "
        "mean over the runs that reached it, and how many did where not all; below it, each run in order of the seeds. "
        "A mean over some of the runs looks better than it is."
    )
    return Section(TITLE, body + html.table(head, rows, starts), [printed])


def targets(groups: tuple[Group, ...]) -> list[float]:
    """Targets that the runs of `groups` name, in percent, lowest first."""
    return sorted({target for group in groups for run in group.runs for target in run.record.targets})


def group_epochs(group: Group, metric: str, target: float) -> list[int | None]:
    """Epochs to `target` of each run, None for one that never reached it."""
    return [epochs_to(run.rows, metric, target) for run in group.runs]


def mean_epochs(epochs: list[int | None]) -> str:
    """`48.6`; `48.6 (4 of 5)` where one run did not reach the target; `-` where none did."""
    reached = [count for count in epochs if count is not None]
    if not reached:
        return "-"
    return f"{fmean(reached):.1f}" + (f" ({len(reached)} of {len(epochs)})" if len(reached) < len(epochs) else "")


def _each(epochs: list[int | None]) -> str:
    return ", ".join("-" if count is None else str(count) for count in epochs)
