"""Reads and writes `epochs.csv`: one row per epoch, from which dashboards and studies take all their curves."""

import csv
import io
from pathlib import Path

from records.atomic import write_text

Row = dict[str, float | int]
"""Maps a column to its value. `epoch` (from 0) and `step` (optimiser steps so far) are int, the others float."""

INTEGER_COLUMNS = ("epoch", "step")


def write_rows(path: str | Path, rows: list[Row]) -> None:
    """Writes CSV atomically: columns `epoch`, `step`, then the others in order of first use. Floats keep every bit."""
    columns = list(INTEGER_COLUMNS)
    for row in rows:
        columns.extend(key for key in row if key not in columns)
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({key: repr(value) for key, value in row.items()})
    write_text(path, text.getvalue())


def read_rows(path: str | Path) -> list[Row]:
    """Reads the rows that `write_rows` wrote; a row leaves out the columns in which it has no value.

    Raises:
        ValueError: if a value is no number, the epochs are not 0, 1, 2, ..., or the first or last line is truncated;
            names the file and the line.
    """
    rows: list[Row] = []
    with open(path, newline="") as file:
        text = file.read()
    reader = csv.DictReader(io.StringIO(text, newline=""))
    if tuple(reader.fieldnames or ())[:2] != INTEGER_COLUMNS or not text.endswith("\n"):
        raise ValueError(f"{path}: its first or last line is cut off")
    for line, raw in enumerate(reader, start=2):
        try:
            row = {key: _number(key, value) for key, value in raw.items() if value}
        except (TypeError, ValueError) as error:
            raise ValueError(f"{path}, line {line}: not a number ({error})") from None
        if row.get("epoch") != len(rows):
            raise ValueError(f"{path}, line {line}: expected epoch {len(rows)}, found {row.get('epoch')}")
        rows.append(row)
    return rows


def _number(key: str, value: str) -> float | int:
    return int(value) if key in INTEGER_COLUMNS else float(value)
