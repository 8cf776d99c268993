"""One table in four renderings: CSV with every digit, Markdown for a README, a terminal's, and HTML for the page."""

import csv
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.table import Table as Printed

from records import write_text
from studies.page import html
from studies.page.section import printed_table


@dataclass(frozen=True)
class Linked:
    """A value that, on the page in `page_folder`, links to the file or folder that it comes from."""

    value: Any
    target: Path
    page_folder: Path


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes:
        name: its heading.
        show: a value as text for readers; CSV keeps the value itself. None is shown as `-`.
        as_html: a value as HTML where that is more than the escaped text, such as a link.
        only_csv: whether only the CSV has it, such as the seeds of a row.
    """

    name: str
    show: Callable[[Any], str] = str
    as_html: Callable[[Any], str] | None = None
    only_csv: bool = False

    def text(self, value: Any) -> str:
        value = value.value if isinstance(value, Linked) else value
        return "-" if value is None else self.show(value)

    def html(self, value: Any) -> str:
        if isinstance(value, Linked):
            return html.link(self.text(value), value.target, value.page_folder)
        if value is None or self.as_html is None:
            return html.escape(self.text(value))
        return self.as_html(value)


@dataclass(frozen=True)
class Table:
    """Rows of values under their columns.

    Attributes:
        title: what a terminal shows above it.
        columns: the first one heads the rows.
        rows: a value a column; None where there is none.
        starts: numbers of rows that begin a block.
    """

    title: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[Any]]
    starts: Sequence[int] = ()

    def write(self, folder: Path, stem: str) -> list[Path]:
        """Writes `stem.csv` and `stem.md` into `folder`; returns both paths."""
        files = [folder / f"{stem}.csv", folder / f"{stem}.md"]
        for file, text in zip(files, (self.csv(), self.markdown()), strict=True):
            write_text(file, text)
        return files

    def csv(self) -> str:
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow([column.name for column in self.columns])
        writer.writerows([[_exact(value) for value in row] for row in self.rows])
        return text.getvalue()

    def markdown(self) -> str:
        head = [column.name for column in self._shown]
        lines = [head, ["---", *["---:"] * (len(head) - 1)], *self._texts()]
        return "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |\n" for line in lines)

    def printed(self) -> Printed:
        """For a terminal; headings break at underscores, for five runs to fit into 80 columns."""
        table = printed_table(self.title)
        for number, column in enumerate(self._shown):
            table.add_column(column.name.replace("_", "\n"), justify="right" if number else "left", no_wrap=True)
        for number, texts in enumerate(self._texts()):
            # Square brackets in a value would be read as markup.
            cells = [text.replace("[", r"\[") for text in texts]
            table.add_row(*cells, end_section=number + 1 in (*self.starts, len(self.rows)))
        return table

    def html(self, kind: str = "") -> str:
        """For the page; `kind` as of `html.table`."""
        shown = [number for number, column in enumerate(self.columns) if not column.only_csv]
        rows = [[self.columns[number].html(row[number]) for number in shown] for row in self.rows]
        return html.table([column.name for column in self._shown], rows, self.starts, kind)

    @property
    def _shown(self) -> list[Column]:
        return [column for column in self.columns if not column.only_csv]

    def _texts(self) -> list[list[str]]:
        return [
            [column.text(value) for column, value in zip(self.columns, row, strict=True) if not column.only_csv]
            for row in self.rows
        ]


def blocks(keys: Sequence[object]) -> list[int]:
    """Numbers of the rows, but the first, whose key differs from that of the row before: `starts` of a table."""
    return [number for number in range(1, len(keys)) if keys[number] != keys[number - 1]]


def decimals(count: int) -> Callable[[float], str]:
    """Shows a number with `count` decimals."""
    return lambda value: f"{value:.{count}f}"


def signed(count: int) -> Callable[[float], str]:
    """Shows a difference with its sign and `count` decimals."""
    return lambda value: f"{value:+.{count}f}"


def _exact(value: Any) -> str:
    value = value.value if isinstance(value, Linked) else value
    if value is None:
        return ""
    return repr(value) if isinstance(value, float) else str(value)
