"""`main.py inpaint-demo` as a newcomer meets it: without data, with an image, with what cannot be shown."""

import base64
import io
import re
from itertools import pairwise

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from evaluation.pictures.holes import draw_holes
from tests.support.program import main_here


@pytest.fixture
def photo(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (30, 42, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "photo & co.png")
    return tmp_path / "photo & co.png"


def demo(photo, folder, *arguments: str) -> int:
    return main_here("inpaint-demo", f"--image={photo}", f"--output={folder}", *arguments)


def text_of(page: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", re.sub(r"<style>.*?</style>", "", page, flags=re.DOTALL)))


def test_without_data_it_shows_a_drawing(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main_here("inpaint-demo") == 0, capsys.readouterr().err
    printed = capsys.readouterr().out
    partial, plain = (float(re.search(rf"{name} ([\d.]+)", printed)[1]) for name in ("partial", "plain"))
    assert partial < plain
    folder = tmp_path / "runs/inpaint-demo"
    assert sorted(path.name for path in folder.iterdir()) == ["inpaint_demo.html", "inpaint_demo.png"]
    assert "wrote runs/inpaint-demo/inpaint_demo.html" in printed
    assert "A street drawn by code" in (folder / "inpaint_demo.html").read_text()


def test_the_page_is_whole_offline_and_counts_as_scipy_does(photo, tmp_path, capsys):
    assert demo(photo, tmp_path / "out", "--holes=boxes", "--share=0.3", "--seed=2", "--strides", "1", "1", "2") == 0
    page = (tmp_path / "out/inpaint_demo.html").read_text()
    assert not re.findall(r'(?:src|href)="(?!data:)', page)
    assert "photo &amp; co.png" in page
    pictures = re.findall(r"data:image/png;base64,([\w+/=]+)", page)
    assert len(pictures) == 5
    for data in pictures:
        Image.open(io.BytesIO(base64.b64decode(data))).load()
    assert base64.b64decode(pictures[0]) == (tmp_path / "out/inpaint_demo.png").read_bytes()

    holes = draw_holes("boxes", 30, 42, 0.3, 2)
    text, square = text_of(page), np.ones((3, 3), bool)
    closed = [~holes, ndimage.binary_dilation(~holes, square)]
    closed.append(ndimage.binary_dilation(closed[1], square))
    for number, (before, mask) in enumerate(pairwise(closed), start=1):
        shares = f"{100 * mask[~before].mean():.1f} %"
        assert (
            f"{number} 1 30 x 42 {2 * number + 1} x {2 * number + 1} {shares} {shares} {100 * mask.mean():.1f} %"
            in text
        )
    # How many layers of stride 1 close all: the largest distance of a hole from anything valid, in the max-norm.
    layers = ndimage.distance_transform_cdt(holes, "chessboard").max()
    printed = capsys.readouterr().out
    assert f"stride 1: the mask is all ones behind layer {layers}\n" in printed
    assert f"each of {layers} layers" in text
    said = re.search(r"partial ([\d.]+), plain ([\d.]+), one colour for all holes .*? ([\d.]+)\.", printed)
    assert said[0] in text
    intact = np.asarray(Image.open(photo)).astype(float)
    mean = intact[~holes].mean(0)
    assert float(said[3]) == pytest.approx(np.abs(intact[holes] - mean).mean(), abs=0.051)


def test_a_chain_that_does_not_close_says_what_is_left(photo, tmp_path, capsys):
    assert demo(photo, tmp_path / "out", "--holes=centre", "--strides", "1") == 0
    assert "strides 1:" in (printed := capsys.readouterr().out)
    left = ~ndimage.binary_dilation(~draw_holes("centre", 30, 42, 0.25, 0), np.ones((3, 3), bool))
    assert f"strides 1: {100 * left.mean():.1f} % of the map are holes behind layer 1; longer --strides" in printed


def test_the_same_call_gives_the_same_and_says_that_it_replaces(photo, tmp_path, capsys):
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "notes.txt").write_text("mine")
    assert demo(photo, folder) == 0
    assert "replaced" not in capsys.readouterr().out
    before = {path: path.read_bytes() for path in folder.iterdir()}
    assert demo(photo, folder) == 0
    assert capsys.readouterr().out.count("replaced ") == 2
    assert {path: path.read_bytes() for path in folder.iterdir()} == before
    assert demo(photo, folder, "--seed=1") == 0
    assert (folder / "inpaint_demo.html").read_bytes() != before[folder / "inpaint_demo.html"]


@pytest.mark.parametrize("size", [(400, 20), (20, 700), (3, 2)], ids=["wide", "tall", "tiny"])
def test_images_of_any_shape_are_shown(size, tmp_path, capsys):
    Image.new("L", size, 120).save(tmp_path / "odd.png")
    assert demo(tmp_path / "odd.png", tmp_path / "out", "--kernel=5") == 0, capsys.readouterr().err
    # One grey: the mean of what is valid is exact.
    assert "partial 0.0" in capsys.readouterr().out


def test_a_photograph_is_turned_as_its_camera_says(photo, tmp_path):
    with Image.open(photo) as image:
        exif = image.getexif()
        exif[0x0112] = 6
        image.save(tmp_path / "turned.jpg", exif=exif)
    assert demo(tmp_path / "turned.jpg", tmp_path / "out") == 0
    assert "42 x 30 pixels" in (tmp_path / "out/inpaint_demo.html").read_text()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--image=/absent/photo.png"], "/absent/photo.png"),
        (["--image={text}"], "--image"),
        (["--holes=centre", "--share=0.00001"], "leaves no hole"),
        (["--holes=centre", "--share=0.9999"], "nothing but holes"),
        (["--output={text}/out"], "--output"),
    ],
)
def test_bad_input_gets_one_message_and_writes_nothing(arguments, message, photo, tmp_path, capsys):
    (text := tmp_path / "text.txt").write_text("no image")
    status = demo(photo, tmp_path / "out", *(argument.format(text=text) for argument in arguments))
    captured = capsys.readouterr()
    assert status == 2, captured
    assert message in captured.err
    assert "Traceback" not in captured.err
    assert "wrote" not in captured.out
    assert not (tmp_path / "out").exists()
