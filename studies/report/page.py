"""The report: every study of a folder of runs, bound into one page."""

import os
from collections.abc import Iterator
from pathlib import Path

from records import write_text
from records.errors import WriteError, in_one_line
from studies import STUDIES
from studies.page import page
from studies.page.blocks import Block, Bullets, Notice, Section, Text
from studies.page.tables import Linked
from studies.report import summary
from studies.runs import fairness
from studies.runs.collect import Collection

PAGE = "report.html"


def write_report(collection: Collection, output: Path) -> tuple[list[Section], list[str]]:
    """Writes the page and the studies' files into `output`, which is made if need be.

    Returns:
        The sections in the order of the page, and a sentence for each study that could not be shown.

    Raises:
        WriteError: if the folder cannot be written.
    """
    # The report's own section, the provenance, comes last.
    studies = [function for study in (*STUDIES[1:], STUDIES[0]) for function in study.functions]
    sections, problems = [], []
    for study in studies:
        try:
            sections.append(study(collection, output))
        except WriteError:
            raise
        # Whatever a study meets in what others left in the run folders, the others can still be shown.
        except Exception as error:
            problems.append(f"{study.__module__.removeprefix('studies.')}: {in_one_line(error)}")
    sections = [section for section in sections if section is not None]
    title = f"Convolution padding: {collection.root.resolve().name}"
    files = [Linked(each.name, each) for section in sections for each in section.files]
    last = Section("The same as files", [Bullets(files, in_columns=True)])
    lead = [*_lead(collection), Notice("Studies that could not be shown", problems)]
    write_text(output / PAGE, page.render(title, lead, [*sections, last], output))
    return sections, problems


def _lead(collection: Collection) -> Iterator[Block]:
    yield Text(summary.compared(collection))
    yield Bullets(summary.statements(collection))
    yield Text(summary.caution(collection), muted=True)
    yield Notice("Not quite like with like", [*fairness.warnings(collection)])
    names = {each: os.path.relpath(each.folder, collection.root) for each in collection.set_aside}
    linked = [(Linked(name, each.url or each.folder), f": {each.reason}") for each, name in names.items()]
    yield Notice("Left out of all tables", linked)
