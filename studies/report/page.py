"""Writes the report: every study of a folder of runs on one page."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from records import write_text
from records.errors import WriteError, in_one_line
from studies import STUDIES, Study, find
from studies.page import page
from studies.page.blocks import Block, Bullets, Chapter, Notice, Section, Text
from studies.page.tables import Linked
from studies.report import summary
from studies.runs import fairness
from studies.runs.collect import Collection

PAGE = "report.html"

OPENED = (
    ("location", "table:study"),
    ("geometry", "table:study"),
    ("border-error", "table:study"),
    ("convergence", "figure:study"),
    ("accuracy", "differences:study"),
)
"""Sections that are not folded: studies that need no training, the curves, and the differences."""


def write_report(collection: Collection, output: Path) -> tuple[list[Section], list[str]]:
    """Writes the page and the studies' files into `output`, which is created if needed.

    Returns the sections in the order of the page, and a sentence for each study that could not be shown. Raises
    WriteError if the folder cannot be written.
    """
    problems: list[str] = []

    def shown(study: Study, places: Iterable[str]) -> list[Section]:
        return [*filter(None, (_shown(study, place, collection, output, problems) for place in places))]

    opened = [section for name, place in OPENED for section in shown(find(name), [place])]
    chapters = [Chapter(section.title, [section], opened=True) for section in opened]
    # The report's own section, the provenance, comes last.
    for study in (*STUDIES[1:], STUDIES[0]):
        sections = shown(study, [place for place in study.sections if (study.name, place) not in OPENED])
        if sections:
            title = sections[0].title if len(sections) == 1 else study.name.replace("-", " ").capitalize()
            chapters.append(Chapter(title, sections))
    sections = [section for chapter in chapters for section in chapter.sections]
    files = [Linked(each.name, each) for section in sections for each in section.files]
    last = Section("The same as files", [Bullets(files, in_columns=True)])
    lead = [*_lead(collection), Notice("Studies that could not be shown", problems)]
    title = f"Convolution padding: {collection.root.resolve().name}"
    chapters.append(Chapter(last.title, [last]))
    write_text(output / PAGE, page.render(title, lead, chapters, output))
    return sections, problems


def _shown(study: Study, place: str, collection: Collection, output: Path, problems: list[str]) -> Section | None:
    try:
        return study.load(place)(collection, output)
    except WriteError:
        raise
    # Whatever a study finds in the run folders that stops it, the others can still be shown.
    except Exception as error:
        problems.append(f"{study.folder}.{place.partition(':')[0]}: {in_one_line(error)}")
        return None


def _lead(collection: Collection) -> Iterator[Block]:
    yield Text(summary.compared(collection))
    yield Bullets(summary.statements(collection))
    yield Text(summary.caution(collection), muted=True)
    yield Notice("Before you compare", [*fairness.warnings(collection)])
    names = {each: os.path.relpath(each.folder, collection.root) for each in collection.set_aside}
    linked = [(Linked(name, each.url or each.folder), f": {each.reason}") for each, name in names.items()]
    yield Notice("Left out of all tables", linked)
