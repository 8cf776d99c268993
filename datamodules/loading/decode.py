"""Decodes image files to RGB, and turns RGB images into uint8 tensors."""

import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from PIL import Image

from datamodules.errors import DataError
from datamodules.loading.damaged import BY_PILLOW, note

_T = TypeVar("_T")


class WideValuesError(ValueError):
    """The file is intact, but its pixel values do not fit into 8 bits."""


def decode_rgb(path: str) -> Image.Image:
    """Decodes a file as torchvision's ImageFolder does: grey, CMYK, palette and alpha become RGB, EXIF is not applied.

    Raises:
        DataError: the file is missing, truncated or no image, or its values do not fit into 8 bits.
    """
    return read_image(path, as_rgb)


def as_rgb(image: Image.Image) -> Image.Image:
    """Converts an image to RGB; raises WideValuesError if its values do not fit into 8 bits."""
    if image.mode[0] in "IF":
        _refuse_wide(image)
    if image.mode != "RGB":
        return image.convert("RGB")
    # `convert` would copy an RGB image, which takes up to a sixth of the decoding time.
    image.load()
    return image


def _refuse_wide(image: Image.Image) -> None:
    # `convert` clips to 0 to 255, also under ImageFolder: 16-bit images would become white, floats from 0 to 1 black.
    values = np.asarray(image)
    low, high = float(values.min()), float(values.max())
    if low < 0 or high > 255 or (image.mode == "F" and high <= 1):
        raise WideValuesError(f"has values of mode {image.mode} from {low:g} to {high:g}")


@dataclass(eq=False)
class FastDecoder:
    """Decodes to the same bytes as `decode_rgb`, uint8 (H, W, 3), faster if the extra `fast` is installed.

    simplejpeg decodes JPEG files in YCbCr or grey, pyspng decodes PNG files with 8-bit RGB. Pillow decodes all others,
    and the files that these two reject, which are noted.

    Args:
        folder: run folder in which files that only Pillow can decode are noted; None for no notes.
    """

    folder: Path | None = None
    _met: set[str] = field(default_factory=set, init=False)

    def __call__(self, path: str) -> np.ndarray:
        """As `decode_rgb`; raises DataError as it does."""
        try:
            content = Path(path).read_bytes()
            return next(read for start, read in _READERS.items() if content.startswith(start))(content)
        except ImportError:
            return np.asarray(decode_rgb(path))  # run.json has the versions of the packages, or null
        # Whatever they cannot read, Pillow reads, or names the file.
        except Exception as error:
            pixels = np.asarray(decode_rgb(path))
            if path not in self._met:
                self._met.add(path)
                note(self.folder, BY_PILLOW, path, str(error) or "no JPEG or PNG file")
            return pixels


def _jpeg(content: bytes) -> np.ndarray:
    import simplejpeg

    colours = simplejpeg.decode_jpeg_header(content)[2]
    if colours not in ("YCbCr", "Gray"):
        raise ValueError(f"JPEG of {colours}")
    return simplejpeg.decode_jpeg(content)


def _png(content: bytes) -> np.ndarray:
    import pyspng

    if content[24:26] != b"\x08\x02":
        raise ValueError("PNG of other pixels than 8 bits of red, green and blue")
    _compare_checksums(memoryview(content))
    return pyspng.load(content)


def _compare_checksums(content: memoryview) -> None:
    """Checks the CRC of each PNG chunk, since pyspng decodes damaged chunks to wrong pixels. Adds 2 % to its time."""
    start, kind = 8, b""
    while start < len(content) and kind != b"IEND":
        kind, end = content[start + 4 : start + 8], start + 8 + int.from_bytes(content[start : start + 4], "big")
        if zlib.crc32(content[start + 4 : end]) != int.from_bytes(content[end : end + 4], "big"):
            raise ValueError("PNG with a wrong checksum")
        start = end + 4


_READERS = {b"\xff\xd8\xff": _jpeg, b"\x89PNG\r\n\x1a\n": _png}


def image_size(path: str) -> tuple[int, int]:
    """(width, height) of an image file, read from its header; raises DataError if it is missing or no image."""
    return read_image(path, lambda image: image.size)


def read_image(
    path: str, take: Callable[[Image.Image], _T], todo: str = "Restore the file from the archive, or remove it."
) -> _T:
    """Opens an image file, which reads its header only, and returns `take(image)`.

    Raises:
        DataError: opening or `take` failed; `todo` is the advice. A DataError raised by `take` passes unchanged.
    """
    try:
        with open(path, "rb") as file:
            return take(Image.open(file))
    except DataError:
        raise
    except WideValuesError as error:
        raise DataError(str(error), where=path, todo="Save it with 8 bits.") from error
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


def resize_bytes(pixels: np.ndarray, size: tuple[int, int], mode: str) -> torch.Tensor:
    """Resizes an image uint8 (H, W, 3) to uint8 (3, *size) by torch; differs from Pillow by single levels.

    On uint8 torch uses 16-bit kernels on CPUs with AVX2, three times as fast as Pillow.
    """
    # A copy, because torch warns about read-only arrays; the permuted view is channels_last, which its kernels want.
    image = torch.from_numpy(np.array(pixels)).permute(2, 0, 1)[None]
    return torch.nn.functional.interpolate(image, size, mode=mode, antialias=True)[0]
