"""`main.py inpaint-demo`: the picture and its numbers, against scipy's dilation and closed forms; and bad input."""

import re

import numpy as np
import pytest
import torch
from PIL import Image
from scipy import ndimage

from studies.inpaint_demo.figure import draw_holes, fill_holes
from tests.support.program import main_here

SQUARE = np.ones((3, 3), bool)


@pytest.fixture
def photo(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (30, 42, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "photo.png")
    return tmp_path / "photo.png"


def demo(photo, folder, *arguments: str) -> int:
    return main_here("inpaint-demo", f"--image={photo}", f"--output={folder}", *arguments)


@pytest.mark.parametrize("share", [0.02, 0.25, 0.7])
def test_holes_cover_the_share_and_the_seed_decides_where(share):
    holes, again, others = (draw_holes(120, 160, share, seed) for seed in (1, 1, 2))
    assert holes.shape == (120, 160)
    # One stroke more than needed, at most.
    assert share <= holes.mean() <= share + 0.12
    assert (holes == again).all()
    assert (holes != others).any()


def test_masks_close_as_dilation_does_and_values_are_means_of_what_is_valid():
    """Eq. 3 against scipy's dilation; Eq. 1 with equal weights against the mean of the valid positions."""
    holes = draw_holes(30, 42, 0.4, 1)
    image = torch.from_numpy(np.random.default_rng(0).uniform(0, 255, (1, 2, 30, 42))).float()
    image[:, :, torch.from_numpy(holes)] = torch.nan
    steps = fill_holes(image, ~torch.from_numpy(holes)[None, None], 3)
    mask = ~holes
    for number, step in enumerate(steps):
        assert np.array_equal(step.valid[0, 0].numpy(), mask), number
        mask = ndimage.binary_dilation(mask, SQUARE)
    known = np.where(holes, 0.0, image[0].double().numpy())
    window = np.ones((1, 3, 3))
    means = ndimage.convolve(known, window, mode="constant") / ndimage.convolve(
        (~holes)[None].astype(float), window, mode="constant"
    ).clip(1)
    fresh = steps[1].valid[0, 0].numpy() & holes
    np.testing.assert_allclose(steps[1].partial[0].numpy()[:, fresh], means[:, fresh], rtol=1e-5)
    np.testing.assert_array_equal(steps[-1].partial.numpy()[..., ~holes], image.numpy()[..., ~holes])


def test_without_data_it_shows_a_drawing_and_says_that_it_replaces_the_picture(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main_here("inpaint-demo") == 0, capsys.readouterr().err
    printed = capsys.readouterr().out
    partial, plain = (float(re.search(rf"{name} ([\d.]+)", printed)[1]) for name in ("partial", "plain"))
    assert partial < plain
    file = tmp_path / "runs/inpaint-demo/inpaint_demo.png"
    assert "wrote runs/inpaint-demo/inpaint_demo.png" in printed
    before = file.read_bytes()
    assert main_here("inpaint-demo") == 0
    assert "replaced runs/inpaint-demo/inpaint_demo.png" in capsys.readouterr().out
    assert file.read_bytes() == before
    assert main_here("inpaint-demo", "--seed=1") == 0
    assert file.read_bytes() != before


@pytest.mark.parametrize("size", [(400, 20), (20, 700), (3, 2)], ids=["wide", "tall", "tiny"])
def test_images_of_any_shape_are_shown(size, tmp_path, capsys):
    Image.new("L", size, 120).save(tmp_path / "odd.png")
    assert demo(tmp_path / "odd.png", tmp_path / "out", "--kernel=5") == 0, capsys.readouterr().err
    assert "partial 0.0" in capsys.readouterr().out, "the mean of one grey is that grey"


def test_a_photograph_is_turned_as_its_camera_says(photo, tmp_path, capsys):
    with Image.open(photo) as image:
        exif = image.getexif()
        exif[0x0112] = 6
        image.save(tmp_path / "turned.jpg", exif=exif)
    assert demo(tmp_path / "turned.jpg", tmp_path / "out") == 0
    assert "42 x 30 pixels" in capsys.readouterr().out


def test_nothing_but_holes_is_refused(photo, tmp_path, capsys):
    assert demo(photo, tmp_path / "out", "--share=0.9999") == 2
    assert "nothing but holes" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
