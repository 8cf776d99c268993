"""One colour a scheme, that stands out from light and dark ground."""

import pytest

from padding import available_schemes
from padding.registry import find_scheme
from studies.page import palette


def test_schemes_are_distinct_and_look_alike_in_every_report():
    every = palette.styles([*available_schemes(), "zero,circular", "stem*=zero;*=partial", *"abcdefg"])
    assert palette.styles(["partial"])["partial"] == every["partial"]
    looks = [(palette.LIGHT[style.index], style.dash) for style in every.values()]
    assert len(set(looks)) == len(looks) > 16
    known = [every[scheme] for scheme, *_ in palette._KNOWN]
    assert len({palette.LIGHT[style.index] for style in known}) == len({palette.DARK[style.index] for style in known})
    assert len({palette.LIGHT[style.index] for style in known}) == len(known)
    assert {scheme for scheme, style in every.items() if style.dash == "none"} == {"zero", "partial"}
    learned = {scheme for scheme in available_schemes() if find_scheme(scheme).start is not None}
    assert learned == palette.LEARNED


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
