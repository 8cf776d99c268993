"""Sections of records that commands measured: records in a folder beside the runs, and in the run folders."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from matplotlib.axes import Axes

from records.checkpoint import MeasureRecord
from records.codec import Record
from studies.page import palette
from studies.page.blocks import Block, Bullets, Details, Figure, Notice, Section, Text
from studies.page.drawing import PANEL_SIZE, Drawing, entitle, grid_of_panels
from studies.page.tables import Column, Marked, Table, starts
from studies.runs.collect import Collection, Group
from studies.runs.measured import by_group, facts, measured_runs, read_measured

R = TypeVar("R", bound=Record)
Records = Sequence[MeasureRecord]
Found = dict[Group, list[MeasureRecord]]
"""Maps each network and scheme to its records."""

Cells = Mapping[Column, Any]
"""Columns of a row with their values, to the right of Network, n and images."""


def of_folder(
    collection: Collection,
    output: Path,
    *,
    folder: str,
    kind: type[R],
    title: str,
    section: Callable[[Sequence[R], Path, Sequence[str]], Section],
) -> Section | None:
    """Returns the section of the records in a folder beside the runs, or a list if all are damaged; None without any.

    Args:
        section: function of the records, the output folder, and sentences on damaged records.
    """
    records, damaged = read_measured(collection.root / folder, kind)
    if records:
        return section(records, output, damaged)
    return Section(title, [Notice("Left out", damaged, terminal=True)]) if damaged else None


def blocks_of(
    records: Sequence[Any],
    problems: Sequence[str],
    question: str,
    figures: Sequence[Figure],
    reading: str,
    tables: Sequence[Table],
    conditions: Sequence[str],
) -> list[Block]:
    """The blocks of a section of networks: its parts in order, what was not measured, and the records' origin.

    Args:
        problems: sentences on what is missing, in addition to what the records say.
        conditions: a line for each record, which a terminal shows, too.
    """
    failed = [f"{record.network}: {problem}" for record in records for problem in record.failed]
    return [
        Text(question),
        *figures,
        Text(reading, muted=True),
        *tables,
        Bullets(conditions, terminal=True),
        Notice("Not measured", [*problems, *failed], terminal=True),
        Details("Where this comes from", [Bullets([facts(record.provenance) for record in records])]),
    ]


@dataclass(frozen=True)
class RunsStudy:
    """A table and a figure of records in the run folders; called by the report like any study.

    Attributes:
        name: name of the study in the records, and of the files written, .csv, .md and .svg.
        lines: function from the records of a network and scheme to the cells of its rows, by their value in `each`.
        each: heading of a second column that tells the rows of a scheme apart; "" if a scheme has one row.
        apart: True if the rows of a scheme are a block of the table, False if the rows of a network are one.
    """

    name: str
    title: str
    reading: str
    caption: str
    lines: Callable[[Records], Mapping[str, Cells]]
    draw: Callable[[Found], Drawing]
    each: str = ""
    apart: bool = False

    def __call__(self, collection: Collection, output: Path) -> Section | None:
        """Returns the section, or None if no run was measured."""
        records, left_out = measured_runs(collection, self.name)
        if not records:
            return None
        found = by_group(collection, records)
        table, drawing = self.table(found), self.draw(found)
        files = [*table.write(output, self.name), drawing.write(output / f"{self.name}.svg")]
        notice = Notice("Left out", left_out, terminal=True)
        return Section(self.title, [Text(self.reading), table, notice, Figure([drawing], self.caption)], files)

    def table(self, found: Found) -> Table:
        styles, rows, groups = scheme_styles(found), [], []
        for group, records in found.items():
            for part, cells in self.lines(records).items():
                which = [Marked(group, styles[group.padding]), *([part] if self.each else [])]
                rows.append([*which, len(records), records[0].images, *cells.values()])
                groups.append(group if self.apart else group.network)
        # All rows have the cells of the last one as columns.
        heads = [Column(name) for name in ("Network", self.each, "n", "images") if name]
        return Table(self.title, [*heads, *cells], rows, starts(groups))


def scheme_styles(found: Found) -> dict[str, palette.Style]:
    return palette.styles([group.padding for group in found])


def by_network(found: Found) -> dict[str, dict[str, list[MeasureRecord]]]:
    """Maps each network to its schemes, and these to their records."""
    networks: dict[str, dict[str, list[MeasureRecord]]] = {}
    for group, records in found.items():
        networks.setdefault(group.network, {})[group.padding] = records
    return networks


def rows_by_scheme(found: Found, plot: Callable[[Axes, int, Records, str], None], label: str, title: str) -> Drawing:
    """Draws a panel for each network, with a row for each scheme.

    Args:
        plot: function that draws one row, called as `plot(axes, row, records, colour)`.
        label: label of the x axis.
    """
    styles = scheme_styles(found)

    def fill(axes: Axes, item: tuple[str, dict[str, list[MeasureRecord]]]) -> None:
        network, schemes = item
        for row, (scheme, records) in enumerate(schemes.items()):
            plot(axes, row, records, styles[scheme].placeholder)
        axes.set_yticks(range(len(schemes)), list(schemes), parse_math=False)
        axes.set_ylim(len(schemes) - 0.4, -0.6)
        axes.grid(False, axis="y")
        entitle(axes, network)
        axes.set_xlabel(label)

    networks = by_network(found)
    rows = max(map(len, networks.values()))
    return grid_of_panels(fill, list(networks.items()), (5.4, 0.32 * rows + 1.1), title)


def curves_by_scheme(
    found: Found,
    plot: Callable[[Axes, list[tuple[palette.Style, list[MeasureRecord]]], str], None],
    title: str,
    parts: Mapping[str, str],
) -> Drawing:
    """Draws a panel for each network and each of `parts`.

    Args:
        plot: function that draws one panel, called as `plot(axes, [(style, records) of each scheme], part)`.
        parts: maps each part to what follows the network in the panel's heading, or "".
    """
    styles = scheme_styles(found)

    def fill(axes: Axes, panel: tuple[str, dict[str, list[MeasureRecord]], str]) -> None:
        network, schemes, part = panel
        plot(axes, [(styles[scheme], records) for scheme, records in schemes.items()], part)
        entitle(axes, ", ".join(filter(None, (network, parts[part]))))

    panels = [(network, schemes, part) for network, schemes in by_network(found).items() for part in parts]
    return grid_of_panels(fill, panels, PANEL_SIZE, title, styles)
