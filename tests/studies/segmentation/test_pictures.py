"""What Figures 6 to 8 hold, on maps small enough to count by hand."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from studies.segmentation.pictures import NetworkPair, Picture, PicturedScene, make, study

COLOURS = [(200, 0, 0), (0, 160, 0), (0, 0, 255)]


def scene(number):
    """32 x 64 pixels; the target is class 1 in as many rows at the top as the image's number, else class 0."""
    target = torch.zeros(32, 64, dtype=torch.uint8)
    target[:number] = 1
    photograph = np.full((32, 64, 3), 40 * number, np.uint8)
    return PicturedScene(f"street{number}", photograph, torch.full((3, 32, 64), float(number)), target)


SCENES = [scene(number) for number in range(4)]


def always(number):
    """A network that sees one class everywhere."""

    def network(images):
        logits = images.new_zeros((len(images), 3, *images.shape[-2:]))
        logits[:, number] = 1
        return logits

    return network


@pytest.fixture
def compared():
    return NetworkPair(
        networks={"zero padding": always(0), "partial padding": always(1)},
        words="Two networks.",
        settings=SimpleNamespace(tile_size=None, average="logits", border_scope="image", leave_out=[0, "1/2"]),
        class_names=["road", "sky", "bus"],
        class_colours=COLOURS,
    )


def test_the_pictures_show_image_truth_and_both_predictions(compared, tmp_path):
    files = make(compared, SCENES[:1], tmp_path, images=4)
    assert sorted(file.name for file in files) == ["figure6.png", "figure7.png", "figure8.png"]
    said = Picture.read(tmp_path / "figure8.png")
    assert said.title == "Predictions in tiles without overlap (Figure 8)"
    assert said.caption.endswith("Shown are 1 of 4 images, evenly spread.")
    photograph, truth, zero, partial = panels(tmp_path / "figure8.png", 4)
    for panel, colour in ((truth, COLOURS[0]), (zero, COLOURS[0]), (partial, COLOURS[1])):
        assert (panel == colour).all()
    # The photograph is black, and the tiles' borders are white on it: its own edge and the middle.
    white = (photograph > 200).all(-1)
    columns = np.flatnonzero(white[5:-5].mean(0) > 0.3) / photograph.shape[1]
    assert all(min(abs(place - edge) for edge in (0, 0.5, 1)) < 0.02 for place in columns)
    assert any(abs(place - 0.5) < 0.02 for place in columns)


def panels(file, count):
    """The pictures in the first row of a PNG, left to right: what is not white, as high as it is."""
    picture = np.asarray(Image.open(file).convert("RGB")).astype(int)
    # An image fills its panel's width, where text does not.
    rows = np.flatnonzero((picture != 255).any(-1).mean(1) > 0.4)
    rows = rows[: np.flatnonzero(np.diff([*rows, 10**9]) > 1)[0] + 1]
    columns = np.flatnonzero((picture[rows] != 255).any(-1).mean(0) > 0.4)
    found = np.split(columns, np.flatnonzero(np.diff(columns) > 1) + 1)
    assert len(found) == count
    # The outermost pixels are mixed with the white around.
    return [picture[rows[2] : rows[-2], each[2] : each[-2]] for each in found]


def test_figure_7_shades_the_centre(compared, tmp_path):
    make(compared, SCENES[:1], tmp_path, images=4)
    whole, half = panels(tmp_path / "figure7.png", 2)
    height, width = whole.shape[:2]
    assert (whole == whole[0, 0]).all()
    changed = (half[:, :width] != whole[0, 0]).any(-1)
    by_hand = np.zeros(changed.shape, bool)
    by_hand[height // 4 : 3 * height // 4, width // 4 : 3 * width // 4] = True
    # Within a pixel of the picture, which is drawn seven times as large.
    assert (changed != by_hand).mean() < 0.06


def test_a_report_shows_the_pictures_that_are_there_and_makes_none(compared, tmp_path):
    assert study(None, tmp_path) is None
    make(compared, SCENES[:2], tmp_path, images=4)
    (tmp_path / "figure6.json").write_text("{")
    (tmp_path / "figure7.png").unlink()
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    section = study(None, tmp_path)
    assert section.files == [tmp_path / "figure8.png"]
    figure, left_out = section.blocks
    assert left_out.items == [f"{tmp_path}/figure6.png: its .json is missing or damaged; --pictures draws it anew"]
    assert "Shown are 2 of 4 images" in figure.caption
    assert [picture.data for picture in figure.panels] == [before[tmp_path / "figure8.png"]]
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before
