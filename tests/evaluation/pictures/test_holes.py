"""Holes of every kind: as many as asked for, the same from the same seed."""

import numpy as np
import pytest

from evaluation.pictures.holes import KINDS, _distance, draw_holes


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("share", [0.02, 0.25, 0.7])
def test_the_share_is_reached_and_hardly_exceeded(kind, share):
    holes = draw_holes(kind, 120, 160, share, seed=1)
    assert holes.shape == (120, 160)
    # One stroke or box more than needed, at most; the centre is rounded to whole rows and columns.
    assert share - 0.01 <= holes.mean() <= share + 0.12


@pytest.mark.parametrize("kind", ["strokes", "boxes"])
def test_the_seed_decides(kind):
    first, again, other = (draw_holes(kind, 60, 80, 0.3, seed) for seed in (5, 5, 6))
    assert (first == again).all()
    assert (first != other).any()


def test_strokes_are_straight_lines_with_round_ends():
    start, end = np.array([3.2, 5.0]), np.array([14.7, 9.1])
    points = start + np.linspace(0, 1, 2001)[:, None] * (end - start)
    centres = np.moveaxis(np.mgrid[:20, :16], 0, -1) + 0.5
    nearest = np.linalg.norm(centres[:, :, None] - points, axis=-1).min(-1)
    assert np.abs(_distance(20, 16, start, end) - nearest).max() < 0.01


def test_the_centre_is_a_box_in_the_middle():
    by_hand = np.zeros((40, 80), bool)
    by_hand[10:30, 20:60] = True
    assert (draw_holes("centre", 40, 80, 0.25, seed=0) == by_hand).all()


@pytest.mark.parametrize(("kind", "share"), [("spots", 0.2), ("boxes", 0.0), ("boxes", 1.0)])
def test_what_cannot_be_drawn_is_refused(kind, share):
    with pytest.raises(ValueError, match=r"spots|share"):
        draw_holes(kind, 40, 80, share, seed=0)
