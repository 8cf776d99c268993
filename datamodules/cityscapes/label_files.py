"""From a label file to classes."""

from collections.abc import Callable
from typing import TypeVar

import numpy as np
from PIL import Image

from datamodules.cityscapes.labels import to_classes
from datamodules.errors import DataError
from datamodules.loading.decode import read_image

_T = TypeVar("_T")


def decode_classes(path: str) -> np.ndarray:
    """Classes 0 to 18 and 255 of a label file, uint8 (H, W).

    Raises:
        DataError: the file is missing, truncated, no PNG with one channel of 8 bits, or holds a value that is no id.
    """
    return to_classes(_read(path, np.asarray), path)


def label_size(path: str) -> tuple[int, int]:
    """(width, height) of a label file, from its header.

    Raises:
        DataError: as `decode_classes`, as far as the header tells.
    """
    return _read(path, lambda image: image.size)


def _read(path: str, take: Callable[[Image.Image], _T]) -> _T:
    def checked(image: Image.Image) -> _T:
        found = _pixel_format(image)
        if found != "PNG L":
            raise DataError(
                f"is {found}, not a PNG with one channel of 8 bits (PNG L)",
                where=path,
                todo="Label files hold one id a pixel, as Cityscapes' `..._labelIds.png` do.",
            )
        return take(image)

    return read_image(path, checked, "Restore the file from the archive, or remove it together with its image.")


def _pixel_format(image: Image.Image) -> str:
    """Format and raw mode, as "PNG L": of a grey PNG of 4 bits Pillow says "L" too, and multiplies its values by 17."""
    arguments = image.tile[0].args if image.tile else image.mode
    return f"{image.format} {arguments if isinstance(arguments, str) else arguments[0]}"
