"""Sizes and places of panels, and captions that fit."""

import numpy as np
import pytest

from evaluation.pictures.grid import GAP, caption, fitted, headings, row, stack


def test_small_pictures_grow_by_whole_pixels_and_large_ones_shrink():
    small = np.arange(60, dtype=np.uint8).reshape(4, 5, 3)
    grown = fitted(small, 17)
    assert grown.shape == (12, 15, 3)
    assert (grown[2::3, 1::3] == small).all()
    large = np.zeros((200, 400, 3), np.uint8)
    large[:, 200:] = 90
    shrunk = fitted(large, 80, smooth=False)
    assert shrunk.shape == (40, 80, 3)
    assert set(np.unique(shrunk)) == {0, 90}, "colours of classes are not mixed"
    assert len(np.unique(fitted(large, 79))) > 2, "photographs are averaged"


def test_panels_stand_in_their_places_on_white():
    panels = [np.full((4, 5, 3), value, np.uint8) for value in (10, 20)]
    line = row(panels)
    assert line.shape == (4, 10 + GAP, 3)
    assert (line[:, :5] == 10).all()
    assert (line[:, 5 : 5 + GAP] == 255).all()
    assert (line[:, 5 + GAP :] == 20).all()
    both = stack([line, panels[0]])
    assert both.shape == (8 + 2 * GAP, 10 + GAP, 3)
    assert (both[4 + GAP : 8 + GAP, :5] == 10).all()
    assert (both[4 + GAP :, 5:] == 255).all()


def test_captions_are_whole_or_refused():
    for width in (60, 200):
        strip = caption("zero padding", width)
        assert strip.shape[1] == width
        assert strip.min() < 100
        assert (strip[:, -1] == 255).all()
    assert headings(["a", "b"], 50).shape[1] == 100 + GAP
    with pytest.raises(ValueError, match="no room for 'a very long caption'"):
        caption("a very long caption", 20)


def test_headings_of_a_row_have_one_size():
    texts = ["short", "so long that it has to be smaller"]
    strip = headings(texts, 160)
    small = caption(texts[1], 160)
    assert small.shape[0] < caption(texts[0], 160).shape[0]
    assert strip.shape == (small.shape[0], 320 + GAP, 3)
    assert (strip[:, 160 + GAP :] == small).all()
