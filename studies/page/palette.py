"""One colour and one line style a scheme, the same on the whole page, in light and in dark, on paper and in grey.

Colours are Okabe and Ito's for colour-blind readers ("Color Universal Design", 2008), darkened on light ground and
lightened on dark ground until a line stands out (contrast 3:1 and more). Figures are drawn in placeholder colours that
stand for CSS variables, so that the page's theme reaches into them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle

from studies.runs.collect import PARTIAL, REFERENCE

LIGHT = ("#b66a00", "#0068a8", "#00805c", "#b8428c", "#c24a00", "#5b6570", "#2b8fc4", "#8a7a00")
DARK = ("#f0ab2e", "#5cb6f0", "#2cc79b", "#e594c4", "#f58548", "#a9b4bf", "#9ad6fa", "#e3d94a")
# The paper's two schemes are solid; dashes tell the others apart in grey print.
DASHES = ("none", "none", "7 3", "2 3", "9 3 2 3", "4 2", "12 3", "1 2")

PREFERRED = {REFERENCE: 0, PARTIAL: 1}
"""As in Figure 3: partial blue, zero yellow."""

INK, MUTED, GRID = "#010203", "#010204", "#010205"
"""Placeholders for text, secondary text and grid lines."""

THEME = {
    INK: ("--ink", "#1b1f24", "#e8eaed"),
    MUTED: ("--muted", "#59636e", "#a3abb5"),
    GRID: ("--line", "#d9dee3", "#3a4048"),
}
"""Placeholder to CSS variable, its colour on light and on dark ground."""


@dataclass(frozen=True)
class Style:
    """How a scheme is drawn; `dash` is an SVG stroke-dasharray."""

    index: int
    dash: str

    @property
    def placeholder(self) -> str:
        return f"#0203{self.index:02x}"

    @property
    def variable(self) -> str:
        return f"--scheme-{self.index}"


def styles(schemes: Sequence[str]) -> dict[str, Style]:
    """Scheme to style. Beyond eight schemes colours repeat."""
    # Colours of zero and partial stay free where a folder lacks them, so that a scheme looks alike in every report.
    free = cycle(index for index in range(len(LIGHT)) if index not in PREFERRED.values())
    indices = {scheme: PREFERRED[scheme] if scheme in PREFERRED else next(free) for scheme in schemes}
    return {scheme: Style(index, DASHES[index]) for scheme, index in indices.items()}


def variables(dark: bool) -> str:
    """CSS declarations of all colours."""
    pairs = [(name, dark_colour if dark else light) for name, light, dark_colour in THEME.values()]
    pairs += [(f"--scheme-{index}", colour) for index, colour in enumerate(DARK if dark else LIGHT)]
    return " ".join(f"{name}: {colour};" for name, colour in pairs)


def themed(svg: str) -> str:
    """`svg` with each placeholder replaced by its CSS variable; a viewer without variables shows the light colour."""
    for placeholder, (name, light, _) in THEME.items():
        svg = svg.replace(placeholder, f"var({name}, {light})")
    for index, light in enumerate(LIGHT):
        style = Style(index, DASHES[index])
        svg = svg.replace(style.placeholder, f"var({style.variable}, {light})")
    return svg
