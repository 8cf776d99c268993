"""Fractions such as an overlap of 1/3, taken for what was meant rather than for the nearest float."""

from fractions import Fraction

LARGEST_DENOMINATOR = 10**6
"""Two fractions with denominators up to this differ by 1e-12 at least, which a float (1e-16) never confuses."""


def exact(value: float | Fraction) -> Fraction:
    """The simplest fraction that `value` stands for: 1/3 for 0.333...3 (16 digits), 1/10 for 0.1, 333/1000 for 0.333.

    The float 1/3 lies below 1/3, so that 768 * (1 - 1/3) comes out a hair above 512, and its ceiling would be 513.
    """
    return Fraction(value).limit_denominator(LARGEST_DENOMINATOR)
