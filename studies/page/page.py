"""Renders sections as one HTML page that needs no other file and no network; Jinja2 escapes all texts of the blocks."""

import base64
import itertools
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from studies.page import palette
from studies.page.blocks import Block, Chapter, Raster, Words
from studies.page.tables import Linked, Marked

ENVIRONMENT = Environment(
    loader=FileSystemLoader(Path(__file__).parent),
    # Names of networks and schemes come from run folders, so any of them may hold markup.
    autoescape=True,
    # Makes a misspelt name in the template an error instead of a gap on the page.
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def render(title: str, lead: Sequence[Block], chapters: Iterable[Chapter], folder: Path) -> str:
    """Renders the page as HTML.

    Args:
        lead: blocks between the heading and the contents.
        folder: folder that the page is written to, from which its links start.
    """
    pictures = itertools.count()
    return ENVIRONMENT.get_template("page.html.j2").render(
        title=title,
        lead=lead,
        chapters=list(chapters),
        light=palette.variables(dark=False),
        dark=palette.variables(dark=True),
        kind=lambda block: type(block).__name__,
        parts=parts,
        mark=lambda value: value.style if isinstance(value, Marked) else None,
        href=lambda value: href(value, folder),
        source=source,
        legend=lambda figure: next((each.legend for each in figure.panels if getattr(each, "legend", None)), {}),
        # A prefix per picture, because ids must be unique on a page.
        inline=lambda drawing: drawing.inline(f"picture{next(pictures)}"),
    )


def parts(words: Words) -> Sequence[str | Linked]:
    """The parts of a text, each linked or not."""
    return [words] if isinstance(words, str | Linked) else words


def href(value: object, folder: Path) -> str | None:
    """The address that a value links to from a page in `folder`; relative for files, so that both can be moved.

    Text that is no web address gives no link.
    """
    value = value.value if isinstance(value, Marked) else value
    if not isinstance(value, Linked):
        return None
    if isinstance(value.target, Path):
        return quote(Path(os.path.relpath(value.target.resolve(), folder.resolve())).as_posix())
    return value.target if value.target.startswith(("http://", "https://")) else None


def source(picture: Raster) -> str:
    """The picture as a data URL."""
    kind = "png" if picture.data.startswith(b"\x89PNG") else "jpeg"
    return f"data:image/{kind};base64,{base64.b64encode(picture.data).decode()}"
