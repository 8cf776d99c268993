"""One table in four renderings: CSV with every digit, Markdown for a README, and those of the page and the terminal."""

import csv
import io
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from records import write_text
from studies.page.palette import Style
from studies.stats.intervals import Comparison


@dataclass(frozen=True)
class Linked:
    """A value that links, on the page, to a file or folder (Path) or to an address on the web (str)."""

    value: Any
    target: Path | str

    def __str__(self) -> str:
        return str(self.value)


@dataclass(frozen=True)
class Marked:
    """A value that the page shows after a sample of its scheme's line; `value` may be Linked."""

    value: Any
    style: Style | None


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes:
        name: heading of the column.
        show: function that makes a value text for readers; CSV keeps the value itself. None is shown as `-`.
        only_csv: True for a column that only the CSV has, such as the seeds of a row.
        code: True to show values as code on the page.
        words: True for words, aligned to the left and wrapped on the page; False for numbers.
    """

    name: str
    show: Callable[[Any], str] = str
    only_csv: bool = False
    code: bool = False
    words: bool = False

    def text(self, value: Any) -> str:
        value = plain(value)
        return "-" if value is None else self.show(value)


@dataclass(frozen=True)
class Table:
    """Rows of values under their columns.

    Attributes:
        title: title above the table in a terminal, and on the page if it is one of several in its section.
        columns: columns, of which the first heads the rows.
        rows: rows of one value per column, Linked or Marked if need be; None or NaN for a missing value.
        starts: numbers of rows that begin a block, as the function `starts` returns them.
        terminal: True to print the table in a terminal, too.
    """

    title: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[Any]]
    starts: Sequence[int] = ()
    terminal: bool = True

    @property
    def shown(self) -> list[Column]:
        """The columns for readers."""
        return [column for column in self.columns if not column.only_csv]

    def cells(self) -> list[list[tuple[Column, Any]]]:
        """For each row, the columns for readers, each with its value."""
        pairs = (zip(self.columns, row, strict=True) for row in self.rows)
        return [[(column, value) for column, value in row if not column.only_csv] for row in pairs]

    def texts(self) -> list[list[str]]:
        """The texts that readers see, row by row."""
        return [[column.text(value) for column, value in row] for row in self.cells()]

    def write(self, folder: Path, stem: str) -> list[Path]:
        """Writes `stem.csv` and `stem.md` into `folder`; returns both paths."""
        files = {folder / f"{stem}.csv": self.csv(), folder / f"{stem}.md": self.markdown()}
        for file, text in files.items():
            write_text(file, text)
        return list(files)

    def csv(self) -> str:
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow([column.name for column in self.columns])
        # csv writes a float with all digits that it needs to be read back, and None as an empty field.
        writer.writerows([map(plain, row) for row in self.rows])
        return text.getvalue()

    def markdown(self) -> str:
        rule = ["---", *("---" if column.words else "---:" for column in self.shown[1:])]
        lines = [[column.name for column in self.shown], rule, *self.texts()]
        return "".join(f"| {' | '.join(map(_in_markdown, line))} |\n" for line in lines)


def _in_markdown(cell: str) -> str:
    """Escapes what would end the cell or begin an HTML tag; `<0.001` begins none."""
    return re.sub(r"<(?=[A-Za-z/!?])", "&lt;", cell).replace("|", r"\|")


def plain(value: Any) -> Any:
    """A cell's value without link and line sample; None for NaN, which is no number to show."""
    while isinstance(value, Linked | Marked):
        value = value.value
    return None if isinstance(value, float) and math.isnan(value) else value


def starts(keys: Sequence[object]) -> list[int]:
    """Numbers of the rows, but the first, whose key differs from that of the row before: `starts` of a table."""
    return [number for number in range(1, len(keys)) if keys[number] != keys[number - 1]]


def decimals(count: int) -> Callable[[float], str]:
    """Returns a function that shows a number with `count` decimals."""
    return lambda value: f"{value:.{count}f}"


def signed(count: int) -> Callable[[float], str]:
    """Returns a function that shows a difference with its sign and `count` decimals."""
    return lambda value: f"{value:+.{count}f}"


def p_value(p: float) -> str:
    """Shows a p value with three decimals, or as `<0.001`."""
    return "<0.001" if p < 0.001 else f"{p:.3f}"


def interval(found: Comparison) -> str | None:
    """Shows an interval as `-0.12 to +1.30`; None if there is none."""
    return None if found.low is None else f"{found.low:+.2f} to {found.high:+.2f}"


def counts(found: Comparison) -> str:
    """Shows the number of runs as `5`, or `5 and 4` if the two sides differ."""
    ours, theirs = found.n
    return str(ours) if ours == theirs else f"{ours} and {theirs}"
