"""Prints sections in a terminal with rich; tables may exceed its width, since a truncated number would mislead."""

import shlex
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console, RenderableType
from rich.measure import Measurement
from rich.table import Table as RichTable
from rich.text import Text as RichText

from records.errors import UserError
from studies.page.blocks import Block, Bullets, Details, Notice, Section, Text, Words
from studies.page.tables import Linked, Table
from studies.runs.collect import Collection, SetAside
from studies.runs.command import Runs, say
from studies.runs.fairness import warnings


def run_studies(
    runs: Runs,
    studies: Sequence[Callable[[Collection, Path], Section | None]],
    nothing: str,
    failed: Sequence[SetAside] = (),
) -> int:
    """Collects the runs, runs each study, prints what it found and the files it wrote; returns the exit status.

    Args:
        nothing: what to do if no study applies, for the message.
        failed: runs that could not be evaluated or measured before; they make the exit status 1.

    Raises:
        UserError: there is nothing to report, or nothing can be written into the output folder.
        WriteError: a file cannot be written.
    """
    collection, output = runs.collect(), runs.output_folder()
    sections = [section for study in studies if (section := study(collection, output)) is not None]
    if not sections:
        raise UserError("\n".join([f"{runs.folder}: {nothing}", *map(str, failed)]))
    console = Console()
    show_sections(console, sections)
    show_warnings(console, collection)
    show_written(console, *(file for section in sections for file in section.files))
    for entry in failed:
        say(console, f"left out: {entry}")
    return 1 if failed else 0


def show_sections(console: Console, sections: Iterable[Section]) -> None:
    """Prints what each section has for a terminal."""
    for section in sections:
        for printed in renderables(section.blocks):
            print_whole(console, printed)
            console.print()


def show_measured(section: Section, *records: Path) -> None:
    """Prints what a command measured, and the files that it wrote: `records`, and the files of the section."""
    console = Console()
    show_sections(console, [section])
    show_written(console, *records, *section.files)


def show_written(console: Console, *files: Path) -> None:
    """Prints a line for each file that a command wrote, quoted for a shell."""
    for file in files:
        say(console, f"wrote {shlex.quote(str(file))}")


def show_warnings(console: Console, collection: Collection) -> None:
    """Prints a line for each thing that makes the comparison less than fair, and for each run that is in no table."""
    for warning in warnings(collection):
        say(console, f"warning: {warning}")
    for entry in collection.set_aside:
        say(console, f"left out: {entry}")


def renderables(blocks: Iterable[Block]) -> Iterator[RenderableType]:
    """The blocks that a terminal prints, in order."""
    for block in blocks:
        if not getattr(block, "terminal", False):
            continue
        match block:
            case Table():
                yield rich_table(block)
            case Text():
                yield RichText(plain_words(block.words))
            case Bullets() if block.items:
                yield RichText("\n".join(map(plain_words, block.items)))
            case Notice() if block.items:
                yield RichText("\n".join(f"{block.title}: {plain_words(item)}" for item in block.items))
            case Details():
                yield from renderables(block.blocks)


def rich_table(table: Table) -> RichTable:
    """Makes a table of rich; headings break at underscores, so that five runs fit into 80 columns."""
    looks = {"title_justify": "left", "title_style": "bold", "box": SIMPLE_HEAD, "padding": (0, 1, 0, 0)}
    drawn = RichTable(title=table.title, **looks)
    for number, column in enumerate(table.shown):
        justify = "right" if number and not column.words else "left"
        drawn.add_column(column.name.replace("_", "\n"), justify=justify, no_wrap=True)
    for number, texts in enumerate(table.texts()):
        # RichText: square brackets in a plain string would be read as markup.
        drawn.add_row(*map(RichText, texts), end_section=number + 1 in (*table.starts, len(table.rows)))
    return drawn


def print_whole(console: Console, printed: RenderableType) -> None:
    """Prints a table without truncating any cell, or a text that the terminal wraps."""
    if isinstance(printed, RichText):
        console.print(printed, soft_wrap=True)
        return
    # At the terminal's own width rich would shorten cells with an ellipsis, and a number would look like another.
    wide = console.options.update(width=10_000, max_width=10_000)
    width = Measurement.get(console, wide, printed).maximum
    Console(file=console.file, width=max(width, console.width)).print(printed)


def plain_words(words: Words) -> str:
    """A text without its links."""
    return str(words) if isinstance(words, str | Linked) else "".join(map(str, words))
