"""The report: every study of a folder of runs, bound into one page."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from records import write_text
from studies import STUDIES
from studies.page import html
from studies.page.section import Section
from studies.report import summary
from studies.runs import fairness
from studies.runs.collect import Collection, SetAside


@dataclass(frozen=True)
class Report:
    """What was written and what a terminal shows.

    Attributes:
        page: the HTML file.
        sections: in the order of the page.
        sentences: the opening: what was compared, and differences from zero padding.
        warnings: what makes the comparison less than fair.
    """

    page: Path
    sections: tuple[Section, ...]
    sentences: tuple[str, ...]
    warnings: tuple[str, ...]


def write_report(collection: Collection, output: Path, others: Mapping[str, Path] | None = None) -> Report:
    """Writes `report.html` and the studies' files into `output`, which is made if need be.

    Args:
        others: metric to the page of the runs of the same folder that are compared by it.

    Raises:
        OSError: if the folder cannot be written.
    """
    output.mkdir(parents=True, exist_ok=True)
    warnings = tuple(fairness.warnings(collection))
    sections = tuple(section for study in _studies() if (section := study(collection, output)) is not None)
    page = output / "report.html"
    title = f"Convolution padding: {collection.root.resolve().name}"
    lead = _lead(collection, warnings, output, others or {})
    write_text(page, html.page(title, lead, [*sections, _files(sections, output)]))
    return Report(page, sections, summary.sentences(collection), warnings)


def _studies() -> Iterator[Callable[[Collection, Path], Section | None]]:
    """The functions of all studies; those of the report itself come last."""
    own, *others = STUDIES
    return (study.load(name) for study in (*others, own) for name in study.sections)


def _lead(collection: Collection, warnings: tuple[str, ...], output: Path, others: Mapping[str, Path]) -> str:
    lead = html.paragraph(summary.compared(collection))
    if others:
        pages = ", ".join(html.link(metric, page, output) for metric, page in others.items())
        lead += f"<p>Other runs of this folder are compared on a page of their own: {pages}.</p>"
    lead += html.bullets(summary.statements(collection))
    lead += html.paragraph(summary.caution(collection), "muted")
    if warnings:
        lead += f'<div class="warnings"><h3>Not quite like with like</h3>{html.bullets(warnings)}</div>'
    if collection.set_aside:
        lead += f'<div class="warnings"><h3>Left out of all tables</h3>{_set_aside(collection.set_aside, output)}</div>'
    return lead


def _set_aside(entries: tuple[SetAside, ...], output: Path) -> str:
    items = [f"<li>{_linked(entry, output)}: {html.escape(entry.reason)}</li>" for entry in entries]
    return f"<ul>{''.join(items)}</ul>"


def _linked(entry: SetAside, output: Path) -> str:
    name = entry.folder.name
    return html.link_outside(name, entry.url) if entry.url else html.link(name, entry.folder, output)


def _files(sections: tuple[Section, ...], output: Path) -> Section:
    files = [file for section in sections for file in section.files]
    body = '<ul class="files">' + "".join(f"<li>{html.link(file.name, file, output)}</li>" for file in files) + "</ul>"
    return Section("The same as files", body)
