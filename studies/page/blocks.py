"""The result of a study: a Section of typed blocks, which page.py renders as HTML and terminal.py for a terminal.

    def study(collection: Collection, output: Path) -> Section:
        styles = palette.styles(collection.schemes)
        columns = [Column("Network"), Column("mean", decimals(3)), Column("run", decimals(3))]
        rows = [[Marked("resnet50_zero", styles["zero"]), 76.1, Linked(76.2, run.folder.path)]]
        table = Table("Best epoch of each run (Table 2)", columns, rows)
        drawing = Drawing(fill, (7.2, 3.8), "Accuracy by scheme", legend=styles)  # fill(figure) draws with matplotlib
        blocks = [
            Text("A run is represented by its best epoch."),
            table,
            Text("stdev: sample standard deviation.", muted=True),
            Figure([drawing], "Dot: a run."),
            Details("Every image", [other_table]),
        ]
        files = [*table.write(output, "table2_best"), drawing.write(output / "figure1.svg")]
        return Section(table.title, blocks, files)

Blocks hold text and values, never HTML: the page's template escapes them. The terminal prints tables, and other blocks
with `terminal=True`; it prints nothing inside `Details` without it, and no pictures. Lists without items are left out.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from studies.page.drawing import Drawing
from studies.page.tables import Linked, Table

Words = str | Linked | Sequence[str | Linked]
"""A text, or parts of one, some of which link to a file, a folder or a web page."""


@dataclass(frozen=True)
class Text:
    """A paragraph; `muted` for explanations in small print."""

    words: Words
    muted: bool = False
    terminal: bool = False


@dataclass(frozen=True)
class Bullets:
    """A list; `in_columns` for many short items, such as names of files."""

    items: Sequence[Words]
    in_columns: bool = False
    terminal: bool = False


@dataclass(frozen=True)
class Notice:
    """Entries under a heading on a coloured background: what the reader must know before the numbers."""

    title: str
    items: Sequence[Words]
    terminal: bool = False


@dataclass(frozen=True)
class Raster:
    """A photograph or map, the content of a PNG or JPEG file; `alt` is for readers who do not see it."""

    data: bytes
    alt: str


@dataclass(frozen=True)
class Figure:
    """One picture, or several panels side by side, above a caption; the drawings' legend is shown once, above all."""

    panels: Sequence[Drawing | Raster]
    caption: str = ""
    title: str = ""


@dataclass(frozen=True)
class Details:
    """Blocks that the page folds up behind a summary."""

    summary: str
    blocks: Sequence["Block"]
    terminal: bool = False


Block = Text | Bullets | Notice | Table | Figure | Details


@dataclass(frozen=True)
class Section:
    """A part of the report: a heading, blocks in order, and the files written beside the page."""

    title: str
    blocks: Sequence[Block]
    files: Sequence[Path] = ()


@dataclass(frozen=True)
class Chapter:
    """Sections under one entry of the page's contents, folded under that title unless `opened`."""

    title: str
    sections: Sequence[Section]
    opened: bool = False
