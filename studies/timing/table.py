"""Table 1: inference time of the padding schemes, and how it relates to that of zero padding.

What is shown is computed from the times that `main.py timing` wrote down, round by round.
"""

import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from records.errors import RecordError
from studies.page import palette
from studies.page.blocks import Bullets, Details, Notice, Section, Text
from studies.page.tables import Column, Marked, Table, decimals, starts
from studies.runs.collect import Collection
from studies.timing.lines import Line, lines
from studies.timing.record import NULL, TimingRecord

TITLE = "Inference time (Table 1)"
STEM = "table1_timing"
FOLDER = "timing"
"""Below the folder of runs; records in folders within it, such as one of another device, are read, too."""


@dataclass(frozen=True)
class _Fact:
    """A condition of a measurement: a column where rows differ in it, else part of the title.

    Attributes:
        usual: a value that a title need not name.
    """

    name: str
    of: Callable[[Line], Any]
    words: str = "{}"
    usual: Any = None


_FACTS = (
    _Fact("network", lambda line: line.case.network),
    _Fact("size", lambda line: f"{line.case.height} x {line.case.width}", "{} pixels"),
    _Fact("batch", lambda line: line.record.batch_size, "batch of {}"),
    _Fact("mode", lambda line: line.case.mode),
    _Fact("precision", lambda line: line.record.precision, usual="32-true"),
    _Fact("layout", lambda line: "channels last" if line.record.channels_last else "contiguous", usual="contiguous"),
    _Fact("threads", lambda line: line.record.threads if line.record.device == "cpu" else None, "CPU threads: {}"),
    _Fact("clock", lambda line: line.record.clock, "CPU seconds of the {} alone", usual="wall"),
    _Fact("hardware", lambda line: line.record.hardware),
)


def study(collection: Collection, output: Path) -> Section | None:
    """Table 1 of the records in the folder `timing` of the runs, or None if there are none.

    Writes `table1_timing.csv` and `.md`. A damaged record is named, the others are shown.
    """
    records, damaged = read_records(collection)
    if any(record.cases for record in records):
        return section(records, output, damaged)
    return Section(TITLE, [Notice("Left out", damaged, terminal=True)]) if damaged else None


def read_records(collection: Collection) -> tuple[list[TimingRecord], list[str]]:
    """The records in the folder `timing` of the runs, and a sentence for each that is damaged."""
    records, damaged = [], []
    for file in sorted((collection.root / FOLDER).rglob("timing*.json")):
        try:
            records.append(TimingRecord.read(file))
        except (RecordError, OSError) as error:
            damaged.append(str(error))
    return records, damaged


def section(records: Sequence[TimingRecord], output: Path, problems: Sequence[str] = ()) -> Section:
    """Table 1 of `records`, which hold a case at least; writes `table1_timing.csv` and `.md` into `output`.

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
        Details("Where these times come from", [_origin(record) for record in records]),
    ]
    return Section(TITLE, blocks, table.write(output, STEM))


def reading(found: Sequence[Line]) -> list[str]:
    """How the table is to be read."""
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
    """Table 1; what all lines have in common is in its title."""
    varying = [fact for fact in _FACTS if len({fact.of(line) for line in found}) > 1]
    common = [(fact, fact.of(found[0])) for fact in _FACTS if fact not in varying]
    words = [fact.words.format(value) for fact, value in common if value not in (None, fact.usual)]
    styles = palette.styles(list(dict.fromkeys(line.scheme for line in found if line.scheme != NULL)))
    with_paper = any(line.paper for line in found)
    columns = [
        Column("Network"),
        # The network is in the row's name.
        *(Column(fact.name, only_csv=fact not in varying or fact.name == "network") for fact in _FACTS),
        *(Column(name, only_csv=True) for name in ("scheme", "iteration")),
        *(Column(name, decimals(2)) for name in ("ms", "25 %", "75 %", "relative", "low", "high")),
        Column("n"),
        # Milliseconds of another machine say nothing beside ours.
        Column("paper_ms", only_csv=True),
        Column("paper_relative", decimals(2), only_csv=not with_paper),
    ]
    rows = [[Marked(line, styles[line.colour]), *_row(line)] for line in found]
    return Table(f"{TITLE}: {', '.join(words)}", columns, rows, starts([id(line.case) for line in found]))


def _row(line: Line) -> list[Any]:
    printed = line.paper or {}
    times = [line.milliseconds, *line.quartiles, line.percent, *(line.interval or (None, None))]
    facts = [fact.of(line) for fact in _FACTS]
    paper = [printed.get("time"), printed.get("relative")]
    return [*facts, line.scheme, line.iteration, *times, len(line.seconds), *paper]


def _problems(record: TimingRecord) -> list[str]:
    partly = [
        f"{case.network}: layers that pad with zeros under every scheme: {', '.join(case.unsupported)}"
        for case in record.cases
        if case.unsupported
    ]
    return [*record.failed, *dict.fromkeys(partly)]


def _origin(record: TimingRecord) -> Table:
    facts = {"hardware": record.hardware, "device": record.device, "threads": record.threads}
    facts |= {key: value for key, value in record.provenance.items() if key not in ("threads", "devices")}
    facts["command"] = shlex.join(["python", *map(str, record.provenance.get("command", []))])
    facts["versions"] = ", ".join(f"{name} {number}" for name, number in record.provenance.get("versions", {}).items())
    return Table("", [Column("what"), Column("value")], list(facts.items()), words=True)
