"""Reads the paper's published figures from paper.yaml, for reports to show beside ours."""

from functools import cache
from pathlib import Path
from typing import Any

import yaml

Row = dict[str, Any]


@cache
def content() -> dict[str, dict[str, Any]]:
    """Maps each table or figure, such as `table2`, to its content: `what`, `rows` and the like."""
    return yaml.safe_load(Path(__file__).with_name("paper.yaml").read_text(encoding="utf-8"))


def rows(table: str, **where: Any) -> list[Row]:
    """The rows of `table` whose columns have the values of `where`, in the paper's order.

    >>> rows("table2", network="resnet50", padding="partial")[0]["average"]
    76.611

    Raises:
        KeyError: the paper has no such table.
    """
    found = content()[table]["rows"]
    return [row for row in found if all(row.get(column) == value for column, value in where.items())]


def row(table: str, **where: Any) -> Row | None:
    """The one row of `table` that `where` describes, or None if the paper has none.

    Raises:
        ValueError: the paper has several such rows.
    """
    found = rows(table, **where)
    if len(found) > 1:
        raise ValueError(f"{table} of the paper has {len(found)} rows with {where}")
    return found[0] if found else None
