import numpy as np
import pytest
from PIL import Image
from torchvision.datasets.folder import pil_loader

from datamodules import DataError
from datamodules.loading.decode import decode_rgb

FORMATS = {
    "rgb.jpg": ("RGB", "JPEG"),
    "grey.jpg": ("L", "JPEG"),
    "cmyk.jpg": ("CMYK", "JPEG"),
    "png_named.JPEG": ("RGB", "PNG"),
    "palette.png": ("P", "PNG"),
    "alpha.png": ("RGBA", "PNG"),
    "grey_alpha.png": ("LA", "PNG"),
    "bilevel.png": ("1", "PNG"),
}


@pytest.mark.parametrize("name", FORMATS)
def test_odd_formats_equal_imagefolders(name, tmp_path, write_image):
    mode, kind = FORMATS[name]
    path = write_image(tmp_path / name, mode=mode, format=kind)
    image = decode_rgb(str(path))
    assert image.mode == "RGB"
    assert np.array_equal(np.asarray(image), np.asarray(pil_loader(path)))


def test_exif_rotation_is_not_applied(tmp_path, write_image):
    # Orientation 6 asks for a quarter turn; ImageFolder ignores it, and so did the networks that we compare with.
    exif = Image.Exif()
    exif[274] = 6
    path = write_image(tmp_path / "turned.jpg", size=(20, 16), exif=exif)
    assert decode_rgb(str(path)).size == (20, 16)


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
