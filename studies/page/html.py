"""The frame of the page and the few elements that studies fill in. Every argument is text and is escaped here, except
those named `body` and `cells`, which are HTML already."""

import base64
import html
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from urllib.parse import quote

from studies.page import palette
from studies.page.section import Section

CSS = """
:root { color-scheme: light dark; --ground: #ffffff; --card: #f6f8fa; --accent: #0b63b0; --warn: #fff5d6; LIGHT }
@media (prefers-color-scheme: dark) {
  :root { --ground: #14171b; --card: #1c2026; --accent: #7cbcf5; --warn: #37301a; DARK }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--ink); font: 16px/1.55 system-ui, -apple-system, "Segoe UI",
  Roboto, "Helvetica Neue", Arial, sans-serif; -webkit-text-size-adjust: 100%; overflow-wrap: break-word; }
main { max-width: 68rem; margin: 0 auto; padding: 2.5rem 1.25rem 4rem; }
h1 { font-size: 1.75rem; line-height: 1.2; margin: 0 0 1rem; }
h2 { font-size: 1.25rem; line-height: 1.3; margin: 2.75rem 0 .5rem; padding-top: 1rem;
  border-top: 1px solid var(--line); }
h3 { font-size: 1rem; margin: 1.25rem 0 .25rem; }
p, ul { margin: .5rem 0; max-width: 46rem; }
ul { padding-left: 1.25rem; }
a { color: var(--accent); text-underline-offset: .15em; }
td a { color: inherit; text-decoration-color: var(--muted); }
code { font: .875em ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; overflow-wrap: anywhere; }
.muted, figcaption, caption { color: var(--muted); font-size: .875rem; }
.scroll { overflow-x: auto; margin: .75rem 0;
  background: linear-gradient(to left, var(--ground) 40%, transparent) right / 3rem 100% no-repeat local,
    linear-gradient(to left, rgb(128 128 128 / .4), transparent) right / .75rem 100% no-repeat scroll; }
table { border-collapse: collapse; font-size: .9375rem; font-variant-numeric: tabular-nums; }
th, td { padding: .35rem .75rem; text-align: right; white-space: nowrap; border-bottom: 1px solid var(--line); }
th:first-child, td:first-child { text-align: left; padding-left: 0; }
thead th { white-space: normal; vertical-align: bottom; border-bottom: 2px solid var(--muted); font-weight: 600; }
tbody th { font-weight: 500; }
tr.first td, tr.first th { border-top: 2px solid var(--line); }
table.text td, table.text th { text-align: left; white-space: normal; vertical-align: top; }
table.text td:first-child, table.text th:first-child { min-width: 10rem; }
.files { columns: 14rem; max-width: none; }
.swatch { display: inline-block; width: 1.75rem; height: .75rem; margin-right: .45rem; vertical-align: middle; }
.legend { display: flex; flex-wrap: wrap; gap: .25rem 1.25rem; margin: .75rem 0 .25rem; font-size: .9375rem; }
.panels { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 26rem), 1fr)); gap: 1rem 1.5rem; }
figure { margin: .5rem 0; }
figure svg { display: block; width: 100%; height: auto; max-width: 40rem; }
figure img { display: block; max-width: 100%; height: auto; }
figcaption { margin-top: .5rem; max-width: 46rem; }
.warnings { background: var(--warn); border-radius: .5rem; padding: .5rem 1rem; margin: 1rem 0; }
details { margin: .75rem 0; }
summary { cursor: pointer; color: var(--accent); }
@media (max-width: 40rem) { main { padding-top: 1.5rem; } h1 { font-size: 1.4rem; } th, td { padding: .35rem .5rem; } }
@media print {
  :root { --ground: #ffffff; --card: #ffffff; --accent: #1b1f24; --warn: #ffffff; LIGHT }
  main { max-width: none; padding: 0; }
  .panels { grid-template-columns: 1fr 1fr; }
  .panels > div, tr { break-inside: avoid; }
  h2, h3, .legend { break-after: avoid; }
  .scroll { overflow: visible; background: none; }
  .warnings { border: 1px solid var(--line); }
  table { font-size: .75rem; } th, td { padding: .2rem .35rem; }
}
"""


def escape(text: object) -> str:
    return html.escape(str(text))


def page(title: str, lead: str, sections: Iterable[Section]) -> str:
    """A whole page that needs no other file. `lead` is HTML, below the heading."""
    parts = [f"<section><h2>{escape(section.title)}</h2>\n{section.body}</section>" for section in sections]
    css = CSS.replace("LIGHT", palette.variables(dark=False)).replace("DARK", palette.variables(dark=True))
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{css}</style>\n</head>\n<body>\n<main>\n"
        f"<h1>{escape(title)}</h1>\n{lead}\n" + "\n".join(parts) + "\n</main>\n</body>\n</html>\n"
    )


def paragraph(text: str, kind: str = "") -> str:
    return f"<p{_class(kind)}>{escape(text)}</p>"


def muted(text: str) -> str:
    return f'<span class="muted">{escape(text)}</span>'


def bullets(texts: Iterable[str]) -> str:
    return "<ul>" + "".join(f"<li>{escape(text)}</li>" for text in texts) + "</ul>"


def table(head: Sequence[str], rows: Iterable[Sequence[str]], starts: Sequence[int] = (), kind: str = "") -> str:
    """A table that scrolls sideways in its own frame.

    Args:
        rows: cells, which are HTML already; the first is the row's heading.
        starts: numbers of rows that begin a block.
        kind: CSS class; `text` for tables of words.
    """
    # Where the screen is narrow, a heading breaks before it makes its column wide.
    top = "".join(f'<th scope="col">{escape(cell).replace("_", "_<wbr>")}</th>' for cell in head)
    body = "".join(
        f"<tr{_class('first' if number in starts else '')}>{_row(cells)}</tr>\n" for number, cells in enumerate(rows)
    )
    # Focusable, so that a keyboard can scroll it.
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="table"><table{_class(kind)}>'
        f"<thead><tr>{top}</tr></thead>\n<tbody>{body}</tbody></table></div>"
    )


def link(text: str, target: Path, page_folder: Path) -> str:
    """A link from a page in `page_folder` to `target`, relative, so that both can be moved together."""
    relative = Path(os.path.relpath(target.resolve(), page_folder.resolve())).as_posix()
    return f'<a href="{escape(quote(relative))}">{escape(text)}</a>'


def link_outside(text: str, url: str) -> str:
    """A link to a page on the web. Anything but a web address is shown as text."""
    return f'<a href="{escape(url)}">{escape(text)}</a>' if url.startswith(("http://", "https://")) else escape(text)


def details(summary: str, body: str) -> str:
    return f"<details><summary>{escape(summary)}</summary>{body}</details>"


def figure(body: str, caption: str) -> str:
    return f"<figure>{body}<figcaption>{escape(caption)}</figcaption></figure>"


def picture(data: bytes, alt: str, kind: str = "png") -> str:
    """A photograph or map inside the page; `data` is the content of a PNG or JPEG file, `kind` png or jpeg."""
    return f'<img alt="{escape(alt)}" src="data:image/{kind};base64,{base64.b64encode(data).decode()}">'


def swatch(style: palette.Style) -> str:
    """A short piece of a scheme's line."""
    return (
        f'<svg class="swatch" viewBox="0 0 28 12" aria-hidden="true"><line x1="0" y1="6" x2="28" y2="6" '
        f'stroke="var({style.variable})" stroke-width="3" stroke-dasharray="{style.dash}"/></svg>'
    )


def legend(styles: dict[str, palette.Style]) -> str:
    entries = [f"<span>{swatch(style)}{escape(scheme)}</span>" for scheme, style in styles.items()]
    return f'<div class="legend">{"".join(entries)}</div>'


def _row(cells: Sequence[str]) -> str:
    first, *rest = cells
    return f'<th scope="row">{first}</th>' + "".join(f"<td>{cell}</td>" for cell in rest)


def _class(kind: str) -> str:
    return f' class="{escape(kind)}"' if kind else ""
