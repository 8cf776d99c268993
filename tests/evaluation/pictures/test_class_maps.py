"""Pictures of class maps, pixel by pixel."""

import numpy as np
import pytest

from evaluation.pictures.class_maps import draw_tiles, leave_out, legend, overlay

COLOURS = [(200, 0, 0), (0, 160, 0), (0, 0, 255)]


@pytest.fixture
def picture():
    return np.random.default_rng(0).integers(0, 256, (30, 50, 3), dtype=np.uint8)


def grey(picture):
    return (picture * (0.299, 0.587, 0.114)).sum(-1, keepdims=True)


def test_classes_lie_over_the_grey_photograph(picture):
    classes = np.random.default_rng(1).integers(0, 3, picture.shape[:2], dtype=np.uint8)
    expected = 0.75 * grey(picture) + 0.25 * np.array(COLOURS)[classes]
    assert np.abs(overlay(picture, classes, COLOURS, 0.25) - expected).max() <= 0.51
    assert (overlay(picture, classes, COLOURS, 1) == np.array(COLOURS)[classes]).all()
    assert (overlay(picture, classes, COLOURS, 0) == picture).all()


@pytest.mark.parametrize(("dtype", "value"), [(np.uint8, 255), (np.int64, -2), (np.int32, 3)])
def test_a_pixel_without_a_class_is_darkened(picture, dtype, value):
    classes = np.zeros(picture.shape[:2], dtype)
    classes[5:9] = value
    drawn = overlay(picture, classes, COLOURS)
    assert np.abs(drawn[5:9] - grey(picture)[5:9] / 2).max() <= 0.51
    assert (drawn[9:, :, 0] >= 100).all()


def test_seams_show_on_any_colour():
    """In each stretch of a seam some pixels are far from the ground, whatever the ground is."""
    for ground in ((0, 0, 0), (255, 255, 255), (128, 128, 128), *COLOURS):
        flat = np.full((60, 80, 3), ground, np.uint8)
        drawn = draw_tiles(flat, [(0, 0, 60, 40), (0, 40, 60, 80)])
        stretches = np.abs(drawn[:, 40].astype(int) - ground).max(-1).reshape(-1, 10)
        assert (stretches.max(1) >= 127).all(), ground


@pytest.mark.parametrize(
    ("boxes", "rows", "columns"),
    [
        ([(0, 0, 30, 50)], [], []),
        ([(0, 0, 30, 20), (0, 20, 30, 50)], [], [20]),
        ([(top, left, top + 20, left + 30) for top in (0, 10) for left in (0, 20)], [10, 20], [20, 30]),
    ],
)
def test_seams_are_a_pixel_wide_where_tiles_begin_and_end(picture, boxes, rows, columns):
    drawn = draw_tiles(picture, boxes)
    expected = np.zeros((30, 50), bool)
    expected[rows], expected[:, columns] = True, True
    assert (drawn[expected] % 255 == 0).all()
    assert (drawn[~expected] == picture[~expected]).all()


def test_lines_grow_with_the_picture():
    flat = np.full((1024, 2048, 3), 90, np.uint8)
    changed = (draw_tiles(flat, [(0, 0, 1024, 1024), (0, 1024, 1024, 2048)]) != flat).any(-1)
    assert list(np.flatnonzero(changed.any(0))) == [1023, 1024, 1025]


def test_what_is_left_out_is_grey_and_hatched_and_the_rest_untouched(picture):
    mask = np.zeros((30, 50), bool)
    mask[6:24, 10:20] = mask[6:24, 30:45] = True
    drawn = leave_out(picture, mask)
    assert (drawn[~mask] == picture[~mask]).all()
    assert (drawn[mask].max(-1) == drawn[mask].min(-1)).all()
    # What the photograph shows there is faint, and the hatch stands out.
    shade = drawn[mask][:, 0] - 0.2 * grey(picture)[mask][:, 0]
    assert {round(value / 5) * 5 for value in shade} == {75, 120}
    assert (leave_out(picture, np.zeros((30, 50), bool)) == picture).all()


@pytest.mark.parametrize("width", [60, 120, 480, 2048])
def test_a_legend_is_as_wide_as_its_picture_and_shows_each_colour(width):
    names = ["road", "sky", "bus"]
    strip = legend(names, COLOURS, width)
    assert strip.dtype == np.uint8
    assert strip.shape[1:] == (width, 3)
    areas = [(strip == colour).all(-1).sum() for colour in COLOURS]
    # Swatches of one size: none is cut off or covered.
    assert min(areas) == max(areas) > 20
    assert (strip[0] == 255).all()
    assert (strip[:, -1] == 255).all()


@pytest.mark.parametrize(("width", "rows", "columns"), [(420, 3, 3), (300, 4, 2), (170, 7, 1), (900, 2, 4)])
def test_entries_of_a_legend_stand_apart_in_even_columns(width, rows, columns):
    strip = legend(["a long class name"] * 7, [(200, 0, 0)] * 7, width).astype(int)
    swatch = strip[..., 0] - strip[..., 1] > 100
    lefts, tops = (np.flatnonzero(np.diff(swatch.any(axis).astype(int)) == 1) + 1 for axis in (0, 1))
    assert (len(lefts), len(tops)) == (columns, rows)
    assert np.ptp(np.diff([*lefts, lefts[0] + width])) <= 1
    # Before each frame, which is a pixel wide, and above it nothing reaches into the entry.
    assert all((strip[:, left - 4 : left - 1] == 255).all() for left in lefts)
    assert all((strip[top - 4 : top - 1] == 255).all() for top in tops)


def test_text_fits_the_narrowest_strip_or_is_refused():
    assert (legend(["traffic light"], COLOURS[:1], 90)[:, -2:] == 255).all()
    with pytest.raises(ValueError, match=r"20 pixels wide has no room for 'traffic light'"):
        legend(["traffic light", "car"], COLOURS[:2], 20)


def test_arguments_stay_as_they_were(picture):
    before = picture.copy()
    mask = np.ones(picture.shape[:2], bool)
    overlay(picture, mask.astype(int), COLOURS)
    draw_tiles(picture, [(0, 0, 30, 20), (0, 20, 30, 50)])
    leave_out(picture, mask)
    assert (picture == before).all()
    assert mask.all()


def test_what_does_not_fit_is_refused(picture):
    classes = np.zeros((30, 50), int)
    with pytest.raises(ValueError, match=r"classes have shape \(30, 49\)"):
        overlay(picture, classes[:, :-1], COLOURS)
    with pytest.raises(ValueError, match=r"opacity is 1\.5"):
        overlay(picture, classes, COLOURS, 1.5)
    with pytest.raises(ValueError, match=r"\(H, W, 3\) uint8, got \(30, 50, 3\) float64"):
        draw_tiles(picture / 255, [])
    with pytest.raises(ValueError, match=r"mask must be \(30, 50\) bool"):
        leave_out(picture, np.ones((30, 50)))
    with pytest.raises(ValueError, match="3 names and 2 colours"):
        legend(["a", "b", "c"], COLOURS[:2], 300)
