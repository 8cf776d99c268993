"""Table 1: inference time of the padding schemes, in milliseconds and relative to zero padding.

All values are computed from the times of each round in the records of `main.py timing`.
"""

import statistics
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from studies.page import palette
from studies.page.blocks import Bullets, Details, Notice, Section, Text
from studies.page.measured import of_folder
from studies.page.tables import Column, Marked, Table, decimals, starts
from studies.runs.collect import REFERENCE
from studies.runs.measured import facts
from studies.stats.intervals import median_interval
from studies.timing.lines import Line, lines
from studies.timing.record import NULL, TimingRecord

TITLE = "Inference time (Table 1)"
STEM = "table1_timing"
FOLDER = "timing"
"""Folder of the records in the folder of runs; its subfolders, such as one per device, are read, too."""


SAID = {
    "size": "{} pixels",
    "batch": "batch of {}",
    "threads": "CPU threads: {}",
    "clock": "CPU seconds of the {} alone",
}
"""Words for conditions whose value alone would not be understood in the title."""

USUAL = {"precision": "32-true", "layout": "contiguous", "clock": "wall"}
"""Values that the title does not name."""


def conditions(line: Line) -> dict[str, Any]:
    """The conditions that a line was measured under: a column if rows differ in it, else part of the title."""
    case, record = line.case, line.record
    return {
        "network": case.network,
        "size": f"{case.height} x {case.width}",
        "batch": record.batch_size,
        "mode": case.mode,
        "precision": record.precision,
        "layout": "channels last" if record.channels_last else "contiguous",
        "threads": record.threads if record.device == "cpu" else None,
        "clock": record.clock,
        "hardware": record.hardware,
    }


def section(records: Sequence[TimingRecord], output: Path, problems: Sequence[str] = ()) -> Section:
    """Returns Table 1 of `records`, one case at least, as a section; writes `table1_timing.csv` and `.md`.

    Args:
        problems: sentences on what is missing, in addition to what the records say.
    """
    found = [line for record in records for line in lines(record)]
    table = make_table(found)
    blocks = [
        Text(f"Measured: {table.title.removeprefix(f'{TITLE}: ')}."),
        table,
        Bullets(reading(found), terminal=True),
        Notice("Not measured", [*problems, *(each for record in records for each in _problems(record))], terminal=True),
        Details("Where these times come from", [Bullets([_origin(record) for record in records])]),
    ]
    return Section(TITLE, blocks, table.write(output, STEM))


def reading(found: Sequence[Line]) -> list[str]:
    """Sentences that explain the table."""
    sentences = [
        "ms: median, first and third quartile. relative: median over the rounds of the ratio to zero padding in the "
        "same round, in percent. low, high: its 95 % interval, which needs six rounds.",
        f"{NULL}: the null pair, a second copy under zero padding. A scheme whose interval overlaps that of the null "
        "pair was not shown to be slower or faster than zero padding.",
        "1st: the first forward pass of a network built anew, relative to a first one under zero padding; compiled, it "
        "is the compilation, too. 2nd - nth: those after it.",
    ]
    if any(line.paper for line in found):
        sentences.append("paper: its Table 1, PyTorch of 2018 on an NVIDIA V100.")
    return sentences


def make_table(found: Sequence[Line]) -> Table:
    """Makes Table 1; conditions that all lines have in common are in its title."""
    first, *_ = under = [conditions(line) for line in found]
    common = {name for name, value in first.items() if all(each[name] == value for each in under)}
    said = [SAID.get(name, "{}").format(value) for name, value in first.items() if name in common and value]
    usual = {SAID.get(name, "{}").format(value) for name, value in USUAL.items()}
    styles = palette.styles(list(dict.fromkeys(line.scheme for line in found if line.scheme != NULL)))
    columns = [
        Column("Network"),
        # The network is in the row's name.
        *(Column(name, only_csv=name in common or name == "network") for name in first),
        *(Column(name, only_csv=True) for name in ("scheme", "iteration")),
        *(Column(name, decimals(2)) for name in ("ms", "25 %", "75 %", "relative", "low", "high")),
        Column("n"),
        # Milliseconds of another machine say nothing beside ours.
        Column("paper_ms", only_csv=True),
        Column("paper_relative", decimals(2), only_csv=not any(line.paper for line in found)),
    ]
    rows = []
    for line, own in zip(found, under, strict=True):
        # The null pair is zero padding, too, and drawn like it.
        style, printed = styles[REFERENCE if line.scheme == NULL else line.scheme], line.paper or {}
        low, middle, high = (1000 * seconds for seconds in statistics.quantiles(line.seconds, n=4, method="inclusive"))
        interval = None if line.scheme == REFERENCE else median_interval(line.relative)
        row = [Marked(line, style), *own.values(), line.scheme, line.iteration, middle, low, high]
        row += [statistics.median(line.relative), *(interval or (None, None)), len(line.seconds)]
        rows.append([*row, printed.get("time"), printed.get("relative")])
    title = f"{TITLE}: {', '.join(words for words in said if words not in usual)}"
    return Table(title, columns, rows, starts([id(line.case) for line in found]))


def _problems(record: TimingRecord) -> list[str]:
    partly = [
        f"{case.network}: layers that pad with zeros under every scheme: {', '.join(case.unsupported)}"
        for case in record.cases
        if case.unsupported
    ]
    return [*record.failed, *dict.fromkeys(partly)]


def _origin(record: TimingRecord) -> str:
    return f"{record.hardware}, {record.device}, {record.threads} threads: {facts(record.provenance)}"


study = partial(of_folder, folder=FOLDER, kind=TimingRecord, title=TITLE, section=section)
