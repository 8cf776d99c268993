"""One colour a scheme, that stands out from light and dark ground."""

import pytest

from studies.page import palette


def test_the_papers_schemes_keep_their_colours_and_eight_are_distinct():
    every = palette.styles(["zero", "partial", *"abcdefg"])
    assert palette.styles(["partial"])["partial"] == every["partial"]
    assert len({style.index for style in list(every.values())[:8]}) == 8


@pytest.mark.parametrize(("colours", "ground"), [(palette.LIGHT, "#ffffff"), (palette.DARK, "#14171b")])
def test_lines_stand_out_from_their_ground(colours, ground):
    """Contrast of 3:1 by WCAG's formula."""

    def luminance(colour):
        channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    for colour in colours:
        darker, lighter = sorted([luminance(colour), luminance(ground)])
        assert (lighter + 0.05) / (darker + 0.05) >= 3, colour
