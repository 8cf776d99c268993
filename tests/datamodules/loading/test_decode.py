import sys

import numpy as np
import pytest
from PIL import Image
from torchvision.datasets.folder import pil_loader

from datamodules import DataError
from datamodules.loading.damaged import BY_PILLOW, read_notes
from datamodules.loading.decode import FastDecoder, decode_rgb, resize_bytes
from tests.datamodules.support import picture


def turned():
    exif = Image.Exif()
    exif[274] = 6  # a quarter turn; ImageFolder ignores it, and so did the networks that we compare with
    return exif


FILES = {
    "plain.jpg": ("RGB", {}, ""),
    "progressive.jpg": ("RGB", {"progressive": True}, ""),
    "restarts.jpg": ("RGB", {"restart_marker_blocks": 3, "optimize": True}, ""),
    "whole_chroma.jpg": ("RGB", {"subsampling": 0}, ""),
    "half_chroma.jpg": ("RGB", {"subsampling": 1}, ""),
    "grey.jpg": ("L", {}, ""),
    "turned.jpg": ("RGB", {"exif": turned()}, ""),
    "red_green_blue.jpg": ("RGB", {"keep_rgb": True}, "JPEG of RGB"),
    "cmyk.jpg": ("CMYK", {}, "JPEG of CMYK"),
    "multi.jpg": ("RGB", {"format": "MPO"}, ""),
    "plain.png": ("RGB", {}, ""),
    "cut_out.png": ("RGB", {"transparency": (1, 2, 3)}, ""),
    "png_named.jpg": ("RGB", {"format": "PNG"}, ""),
    "grey.png": ("L", {}, "PNG of other pixels"),
    "palette.png": ("P", {}, "PNG of other pixels"),
    "alpha.png": ("RGBA", {}, "PNG of other pixels"),
    "grey_alpha.png": ("LA", {}, "PNG of other pixels"),
    "bilevel.png": ("1", {}, "PNG of other pixels"),
    "deep.png": ("I;16", {}, "PNG of other pixels"),
    "plain.bmp": ("RGB", {}, "no JPEG or PNG"),
    "plain.webp": ("RGB", {}, "no JPEG or PNG"),
    "plain.tiff": ("RGB", {"compression": "tiff_lzw"}, "no JPEG or PNG"),
}


@pytest.mark.parametrize(
    ("name", "kind"), [("x.png", "uint16"), ("x.tif", "uint16"), ("y.tif", "int32"), ("z.tif", "f4")]
)
def test_values_that_bytes_do_not_hold_are_refused(name, kind, tmp_path):
    """Pillow, and with it ImageFolder, makes white of what is above 255."""
    Image.fromarray(np.linspace(0, 1 if kind == "f4" else 65535, 48 * 48).reshape(48, 48).astype(kind)).save(
        tmp_path / name
    )
    for decode in (decode_rgb, FastDecoder()):
        with pytest.raises(DataError, match=r"^[^ ]+: has values of mode .* to [0-9]+\. Save it with 8 bits\.$"):
            decode(str(tmp_path / name))


@pytest.mark.parametrize(("name", "kind"), [("x.png", "uint16"), ("x.tif", ">u2"), ("y.tif", "int32"), ("z.tif", "f4")])
def test_values_of_wide_types_that_bytes_hold_are_taken(name, kind, tmp_path):
    values = np.arange(256).reshape(16, 16).astype(kind)
    image = Image.frombytes("I;16B", (16, 16), values.tobytes()) if kind == ">u2" else Image.fromarray(values)
    image.save(tmp_path / name)
    assert np.array_equal(np.asarray(decode_rgb(str(tmp_path / name)))[..., 0], np.arange(256).reshape(16, 16))


@pytest.mark.parametrize("installed", [True, False])
@pytest.mark.parametrize("size", [(61, 47), (1, 1), (2, 33)])
@pytest.mark.parametrize("name", FILES)
def test_both_decoders_give_imagefolders_bytes_and_the_fast_one_notes_what_pillow_reads(
    name, size, installed, tmp_path, monkeypatch
):
    for package in ("simplejpeg", "pyspng"):
        if installed:
            pytest.importorskip(package)
        else:
            monkeypatch.setitem(sys.modules, package, None)
    mode, options, why = FILES[name]
    path = str(tmp_path / name)
    picture(*size).convert(mode).save(path, **options)
    decode = FastDecoder(tmp_path)
    assert np.array_equal(np.asarray(decode_rgb(path)), np.asarray(pil_loader(path)))
    for _ in range(2):
        assert np.array_equal(decode(path), np.asarray(decode_rgb(path)))
        assert decode(path).dtype == np.uint8
    noted = read_notes(tmp_path, BY_PILLOW)
    if why.startswith("no JPEG") or (installed and why):
        assert list(noted) == [path]
        assert why in noted[path]
    else:
        assert not noted


def outcome(decode, path):
    """The bytes, or the error's text."""
    try:
        return np.asarray(decode(str(path))).tobytes()
    except DataError as error:
        return str(error)


@pytest.mark.parametrize("name", ["plain.jpg", "plain.png"])
def test_the_fast_decoder_refuses_and_takes_what_pillow_does(name, tmp_path):
    pytest.importorskip("simplejpeg")
    path = tmp_path / name
    picture(64, 64).save(path)
    whole = path.read_bytes()
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 1
    for content in (whole[:-200], whole[:30], b"", whole + b"more", bytes(flipped)):
        path.write_bytes(content)
        assert outcome(FastDecoder(tmp_path), path) == outcome(decode_rgb, path)
        # What Pillow cannot read either is no image that it read.
        assert not read_notes(tmp_path, BY_PILLOW) or isinstance(outcome(decode_rgb, path), bytes)
    path.unlink()
    with pytest.raises(DataError, match="FileNotFoundError"):
        FastDecoder()(str(path))


@pytest.mark.parametrize("mode", ["bilinear", "bicubic"])
@pytest.mark.parametrize("size", [(9, 40), (64, 64), (150, 31), (1, 1)])
def test_bytes_are_resized_as_pillow_does_to_a_level_or_two(mode, size):
    # As smooth as a photograph: where bicubic interpolation overshoots 0 or 255, they may differ by more.
    image = picture(10, 14).resize((50, 70), Image.Resampling.BILINEAR)
    expected = np.asarray(image.resize(size[::-1], getattr(Image.Resampling, mode.upper()))).astype(int)
    found = resize_bytes(np.asarray(image), size, mode).permute(1, 2, 0).numpy()
    assert np.abs(found - expected).max() <= (1 if mode == "bilinear" else 2)


@pytest.mark.parametrize("damage", ["cut", "text", "empty", "missing", "header"])
def test_undecodable_file_is_named(damage, tmp_path, write_image):
    path = write_image(tmp_path / "bad.png", size=(64, 64))
    content = path.read_bytes()
    if damage == "missing":
        path.unlink()
    else:
        path.write_bytes({"cut": content[:500], "text": b"hello", "empty": b"", "header": content[:20] * 3}[damage])
    with pytest.raises(DataError, match=r"bad\.png: cannot be decoded"):
        decode_rgb(str(path))
