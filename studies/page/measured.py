"""Sections of what commands measured: of records in a folder beside the runs, and of records in the runs' folders."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from matplotlib.axes import Axes

from records.checkpoint import MeasureRecord
from records.codec import Record
from studies.page import palette
from studies.page.blocks import Figure, Notice, Section, Text
from studies.page.drawing import Drawing, grid_of_panels
from studies.page.tables import Table
from studies.runs.collect import Collection, Group
from studies.runs.measured import by_group, measured_runs, read_measured

R = TypeVar("R", bound=Record)
Found = dict[Group, list[MeasureRecord]]
"""The records of each network and scheme."""


def of_folder(
    collection: Collection,
    output: Path,
    folder: str,
    kind: type[R],
    title: str,
    section: Callable[[Sequence[R], Path, Sequence[str]], Section],
    enough: Callable[[Sequence[R]], bool] = bool,
) -> Section | None:
    """What `section` makes of the records in a folder of the runs, and names the damaged; None without any.

    Args:
        section: `section(records, output, sentences on what is damaged)`.
        enough: whether the records hold what it needs; else the damaged ones alone are named.
    """
    records, damaged = read_measured(collection.root / folder, kind)
    if enough(records):
        return section(records, output, damaged)
    return Section(title, [Notice("Left out", damaged, terminal=True)]) if damaged else None


def of_runs(
    collection: Collection,
    output: Path,
    name: str,
    title: str,
    reading: str,
    make_table: Callable[[Found], Table],
    draw: Callable[[Found], Drawing],
    caption: str,
) -> Section | None:
    """A table and a figure of the runs' records of the study `name`; None without any.

    Writes `name`.csv, .md and .svg.
    """
    found = by_group(collection, measured_runs(collection, name))
    if not found:
        return None
    table, drawing = make_table(found), draw(found)
    files = [*table.write(output, name), drawing.write(output / f"{name}.svg")]
    return Section(title, [Text(reading), table, Figure([drawing], caption)], files)


def rows_by_scheme(
    found: Found, plot: Callable[[Axes, int, Sequence[MeasureRecord], str], None], label: str, title: str
) -> Drawing:
    """A panel for each network, a row for each scheme.

    Args:
        plot: `plot(axes, row, records, colour)` draws one row.
        label: of the x axis.
    """
    networks = list(dict.fromkeys(group.network for group in found))
    styles = palette.styles([group.padding for group in found])

    def fill(axes: Axes, network: str) -> None:
        groups = [group for group in found if group.network == network]
        for row, group in enumerate(groups):
            plot(axes, row, found[group], styles[group.padding].placeholder)
        axes.set_yticks(range(len(groups)), [group.padding for group in groups], parse_math=False)
        axes.set_ylim(len(groups) - 0.4, -0.6)
        axes.grid(False, axis="y")
        axes.set_title(network, loc="left", parse_math=False)
        axes.set_xlabel(label)

    rows = max(sum(group.network == network for group in found) for network in networks)
    return grid_of_panels(fill, networks, (5.4, 0.32 * rows + 1.1), title)
