"""What a study hands to the report."""

from dataclasses import dataclass, field
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import RenderableType
from rich.table import Table


@dataclass(frozen=True)
class Section:
    """A part of the report.

    Attributes:
        title: heading on the page and in the terminal.
        body: HTML, already escaped.
        printed: what the terminal shows, if anything.
        files: written beside the page.
    """

    title: str
    body: str
    printed: list[RenderableType] = field(default_factory=list)
    files: list[Path] = field(default_factory=list)


def printed_table(title: str) -> Table:
    """An empty table in the report's style, for a terminal."""
    return Table(title=title, title_justify="left", title_style="bold", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
