"""One colour and one line style per scheme, the same on the whole page, for light and dark themes and for print.

The families' colours are Okabe and Ito's for colour-blind readers ("Color Universal Design", 2008), darkened on light
backgrounds and lightened on dark ones to a contrast of 3:1 or more; within a family dashes tell schemes apart, in grey
print, too. Figures are drawn in placeholder colours, which are replaced by CSS variables of the page's theme.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle

# Scheme, its colour on light and on dark background, and its dashes as an SVG stroke-dasharray.
_FILL = (
    ("zero", "#b66a00", "#f0ab2e", "none"),
    ("mean", "#c24a00", "#f58548", "7 3"),
    ("noise", "#8f3b1b", "#d98a5f", "2 3"),
    ("random_side", "#d0453f", "#ff9a8f", "9 3 2 3"),
    ("mean_interp", "#8a6d00", "#e3d94a", "4 2"),
    ("mean_reflect", "#6f4a22", "#cdaa7d", "12 3"),
)
_EXTEND = (
    ("reflect", "#00805c", "#2cc79b", "7 3"),
    ("replicate", "#5d8a00", "#a8d84e", "2 3"),
    ("circular", "#2b6e1f", "#7fc96f", "9 3 2 3"),
    ("symmetric", "#008f8a", "#5fe0da", "4 2"),
    ("earth", "#005a56", "#3aa8a2", "12 3"),
    ("extrapolate:2", "#6b7a3e", "#c0cf8f", "8 2 2 2 2 2"),
    ("extrapolate:3", "#3f5b2e", "#96b383", "5 1"),
    ("lp1", "#1a9463", "#8ff0c4", "14 3 2 3 2 3"),
)
_REWEIGHT = (("partial", "#0068a8", "#5cb6f0", "none"), ("partial_sqrt", "#2b8fc4", "#9ad6fa", "7 3"))
_LEARN = (
    ("constant", "#b8428c", "#e594c4", "7 3"),
    ("explicit", "#8a3fb0", "#c99be8", "2 3"),
    ("pad_channel", "#d0508f", "#ffaed0", "9 3 2 3"),
)
_KNOWN = (*_FILL, *_EXTEND, *_REWEIGHT, *_LEARN)
"""Families, as in docs/schemes.md: orange fills, green extends, blue re-weights, violet learns. The paper's two schemes
have solid lines, as in Figure 3: partial blue, zero yellow."""

_OTHERS = (("#5b6570", "#a9b4bf"), ("#43506b", "#8797b8"), ("#6a5b8a", "#b3a4d6"), ("#7b6f5b", "#c4b79f"))
"""Colours of all other schemes: pairs, patterns, a user's own."""

LIGHT = tuple(light for _, light, _, _ in _KNOWN) + tuple(light for light, _ in _OTHERS)
DARK = tuple(dark for _, _, dark, _ in _KNOWN) + tuple(dark for _, dark in _OTHERS)
LEARNED = frozenset(scheme for scheme, *_ in _LEARN)
"""Schemes with parameters of their own."""

INK, MUTED, GRID = "#010203", "#010204", "#010205"
"""Placeholders for text, secondary text and grid lines."""

THEME = {
    INK: ("--ink", "#1b1f24", "#e8eaed"),
    MUTED: ("--muted", "#59636e", "#a3abb5"),
    GRID: ("--line", "#d9dee3", "#3a4048"),
}
"""Maps a placeholder to its CSS variable, and its colours on light and on dark background."""


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
    """Maps each scheme to its style. Known schemes look the same in every report; others get the remaining styles."""
    dashes = [dash for *_, dash in _EXTEND]
    others = (Style(len(_KNOWN) + index, dash) for dash in dashes for index in range(len(_OTHERS)))
    known = {scheme: Style(index, dash) for index, (scheme, _, _, dash) in enumerate(_KNOWN)}
    free = cycle(others)
    return {scheme: known.get(scheme) or next(free) for scheme in schemes}


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
        style = Style(index, "none")
        svg = svg.replace(style.placeholder, f"var({style.variable}, {light})")
    return svg
