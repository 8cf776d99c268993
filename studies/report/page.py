"""The report: every study of a folder of runs, bound into one page."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
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


@dataclass(frozen=True)
class Report:
    """What was written and what a terminal shows.

    Attributes:
        page: the HTML file.
        sections: in the order of the page.
        sentences: the opening: what was compared, and differences from zero padding.
        warnings: what makes the comparison less than fair.
        problems: a sentence for each study that could not be shown.
    """

    page: Path
    sections: tuple[Section, ...]
    sentences: tuple[str, ...]
    warnings: tuple[str, ...]
    problems: tuple[str, ...]


def write_report(collection: Collection, output: Path, others: Mapping[str, Path] | None = None) -> Report:
    """Writes `report.html` and the studies' files into `output`, which is made if need be.

    Args:
        others: metric to the page of the runs of the same folder that are compared by it.

    Raises:
        WriteError: if the folder cannot be written.
    """
    warnings = tuple(fairness.warnings(collection))
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
    file = output / "report.html"
    title = f"Convolution padding: {collection.root.resolve().name}"
    files = [Linked(each.name, each) for section in sections for each in section.files]
    last = Section("The same as files", [Bullets(files, in_columns=True)])
    lead = [*_lead(collection, warnings, others or {}), Notice("Studies that could not be shown", problems)]
    write_text(file, page.render(title, lead, [*sections, last], output))
    return Report(file, tuple(sections), summary.sentences(collection), warnings, tuple(problems))


def _lead(collection: Collection, warnings: tuple[str, ...], others: Mapping[str, Path]) -> Iterator[Block]:
    yield Text(summary.compared(collection))
    if others:
        links = [part for metric, file in others.items() for part in (", ", Linked(metric, file))][1:]
        yield Text(["Other runs of this folder are compared on a page of their own: ", *links, "."])
    yield Bullets(summary.statements(collection))
    yield Text(summary.caution(collection), muted=True)
    yield Notice("Not quite like with like", warnings)
    names = {each: os.path.relpath(each.folder, collection.root) for each in collection.set_aside}
    linked = [(Linked(name, each.url or each.folder), f": {each.reason}") for each, name in names.items()]
    yield Notice("Left out of all tables", linked)
