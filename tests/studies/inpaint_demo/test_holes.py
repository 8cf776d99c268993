"""Holes: as many as asked for, the same from the same seed."""

import numpy as np
import pytest

from studies.inpaint_demo.holes import _distance, draw_holes


@pytest.mark.parametrize("share", [0.02, 0.25, 0.7])
def test_the_share_is_reached_and_hardly_exceeded(share):
    holes = draw_holes(120, 160, share, seed=1)
    assert holes.shape == (120, 160)
    # One stroke more than needed, at most.
    assert share <= holes.mean() <= share + 0.12


def test_the_seed_decides():
    first, again, other = (draw_holes(60, 80, 0.3, seed) for seed in (5, 5, 6))
    assert (first == again).all()
    assert (first != other).any()


def test_strokes_are_straight_lines_with_round_ends():
    start, end = np.array([3.2, 5.0]), np.array([14.7, 9.1])
    points = start + np.linspace(0, 1, 2001)[:, None] * (end - start)
    centres = np.moveaxis(np.mgrid[:20, :16], 0, -1) + 0.5
    nearest = np.linalg.norm(centres[:, :, None] - points, axis=-1).min(-1)
    assert np.abs(_distance(20, 16, start, end) - nearest).max() < 0.01
