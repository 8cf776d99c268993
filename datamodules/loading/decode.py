"""From a file to RGB pixels, and to a tensor of bytes."""

from collections.abc import Callable
from typing import TypeVar

import numpy as np
import torch
from PIL import Image

from datamodules.errors import DataError

_T = TypeVar("_T")


def decode_rgb(path: str, rows: int | None = None) -> Image.Image:
    """Decode a file as torchvision's ImageFolder does: grey, CMYK, palette and alpha become RGB, EXIF is not applied.

    The whole image is decoded at full size, unless `rows` says how many rows are needed (`only_rows`).

    Raises:
        DataError: the file is missing, truncated, or no image.
    """
    return read_image(path, lambda image: _rgb(image if rows is None else only_rows(image, rows)))


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode != "RGB":
        return image.convert("RGB")
    # `convert` would copy it: up to a sixth of the time of decoding.
    image.load()
    return image


def only_rows(image: Image.Image, rows: int) -> Image.Image:
    """Lets a PNG file of which only the header was read be decoded down to a row; what is below stays 0.

    Other files, and interlaced ones, are decoded whole. Damage below that row is not seen.
    """
    if image.format == "PNG" and not image.info.get("interlace") and hasattr(image.tile[0], "_replace"):
        image.tile = [image.tile[0]._replace(extents=(0, 0, image.width, min(rows, image.height)))]
    return image


def image_size(path: str) -> tuple[int, int]:
    """(width, height) of an image file, from its header.

    Raises:
        DataError: the file is missing, or no image.
    """
    return read_image(path, lambda image: image.size)


def read_image(
    path: str, take: Callable[[Image.Image], _T], todo: str = "Restore the file from the archive, or remove it."
) -> _T:
    """What `take` makes of an image file, of which only the header has been read.

    Raises:
        DataError: whatever goes wrong, with `todo` as the advice; a DataError of `take` stays as it is.
    """
    try:
        with open(path, "rb") as file:
            return take(Image.open(file))
    except DataError:
        raise
    # Pillow's plugins raise OSError, SyntaxError, struct.error, zlib.error and more on damaged files.
    except Exception as error:
        raise DataError(f"cannot be decoded ({type(error).__name__}: {error})", where=path, todo=todo) from error


def to_uint8(image: Image.Image, flip: bool = False) -> torch.Tensor:
    """A uint8 tensor (3, height, width) of an RGB image."""
    pixels = np.asarray(image)
    if flip:
        pixels = pixels[:, ::-1]
    # A copy in any case: of a flipped image one pixel wide, `ascontiguousarray` would keep the negative stride.
    return torch.from_numpy(np.array(pixels.transpose(2, 0, 1), order="C"))
