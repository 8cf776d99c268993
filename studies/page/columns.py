"""Columns and cells that several tables share: a group with its line, and what a comparison found."""

from collections.abc import Mapping

from studies.page import html, palette
from studies.page.tables import Column
from studies.runs.collect import Group
from studies.stats.intervals import Comparison


def group_column(styles: Mapping[str, palette.Style], name: str = "Network") -> Column:
    """A Group by its name, on the page behind a piece of its scheme's line."""
    return Column(name, str, lambda group: marked(str(group), group, styles))


def marked(text: str, group: Group, styles: Mapping[str, palette.Style]) -> str:
    """`text` as HTML behind a piece of the line of the group's scheme."""
    return html.swatch(styles[group.padding]) + html.escape(text)


def p_value(p: float) -> str:
    """Three decimals, or a bound below them."""
    return "<0.001" if p < 0.001 else f"{p:.3f}"


def interval(found: Comparison) -> str | None:
    """`-0.12 to +1.30`, None where there is none."""
    return None if found.low is None else f"{found.low:+.2f} to {found.high:+.2f}"


def counts(found: Comparison) -> str:
    """Number of runs: `5`, or `5 and 4` where the two sides differ."""
    ours, theirs = found.n
    return str(ours) if ours == theirs else f"{ours} and {theirs}"
