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
    """A value behind a piece of its scheme's line, on the page; `value` may be Linked."""

    value: Any
    style: Style | None


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes:
        name: its heading.
        show: a value as text for readers; CSV keeps the value itself. None is shown as `-`.
        only_csv: whether only the CSV has it, such as the seeds of a row.
        code: whether the page shows its values as code.
        words: whether its values are words, which stand to the left and which the page breaks, instead of numbers.
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
        title: stands above it in a terminal, and on the page if it is one of several in its section.
        columns: the first one heads the rows.
        rows: a value a column, Linked or Marked where it has to be; None or NaN where there is none.
        starts: numbers of rows that begin a block, as of `starts`.
        terminal: whether a terminal prints it, too.
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
        """For each row the columns for readers, each with its value."""
        pairs = (zip(self.columns, row, strict=True) for row in self.rows)
        return [[(column, value) for column, value in row if not column.only_csv] for row in pairs]

    def texts(self) -> list[list[str]]:
        """What readers see in each row."""
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
        # csv writes a float with every digit that distinguishes it, and None as nothing.
        writer.writerows([map(plain, row) for row in self.rows])
        return text.getvalue()

    def markdown(self) -> str:
        rule = ["---", *("---" if column.words else "---:" for column in self.shown[1:])]
        lines = [[column.name for column in self.shown], rule, *self.texts()]
        return "".join(f"| {' | '.join(map(_in_markdown, line))} |\n" for line in lines)


def _in_markdown(cell: str) -> str:
    """`cell` without what would end it, or begin markup of HTML; `<0.001` begins none."""
    return re.sub(r"<(?=[A-Za-z/!?])", "&lt;", cell).replace("|", r"\|")


def plain(value: Any) -> Any:
    """A cell's value without its link and its line; None for NaN, which is no number to show."""
    while isinstance(value, Linked | Marked):
        value = value.value
    return None if isinstance(value, float) and math.isnan(value) else value


def starts(keys: Sequence[object]) -> list[int]:
    """Numbers of the rows, but the first, whose key differs from that of the row before: `starts` of a table."""
    return [number for number in range(1, len(keys)) if keys[number] != keys[number - 1]]


def decimals(count: int) -> Callable[[float], str]:
    """Shows a number with `count` decimals."""
    return lambda value: f"{value:.{count}f}"


def signed(count: int) -> Callable[[float], str]:
    """Shows a difference with its sign and `count` decimals."""
    return lambda value: f"{value:+.{count}f}"


def p_value(p: float) -> str:
    """Three decimals, or a bound below them."""
    return "<0.001" if p < 0.001 else f"{p:.3f}"


def interval(found: Comparison) -> str | None:
    """`-0.12 to +1.30`, None where there is none."""
    return None if found.low is None else f"{found.low:+.2f} to {found.high:+.2f}"


def counts(found: Comparison) -> str:
    """Number of runs: `5`, or `5 and 4` where the two sides differ."""
    ours, theirs = found.n
    return str(ours) if ours == theirs else f"{ours} and {theirs}"
