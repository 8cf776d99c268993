"""From a file to RGB pixels, and to a tensor of bytes."""

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
    """An image whose file is as it should be, of values that bytes do not hold."""


def decode_rgb(path: str) -> Image.Image:
    """Decode a file as torchvision's ImageFolder does: grey, CMYK, palette and alpha become RGB, EXIF is not applied.

    Raises:
        DataError: the file is missing, truncated, no image, or of values that bytes do not hold.
    """
    return read_image(path, as_rgb)


def as_rgb(image: Image.Image) -> Image.Image:
    """An image in RGB, as `decode_rgb` makes it; raises WideValuesError of values that bytes do not hold."""
    if image.mode[0] in "IF":
        _refuse_wide(image)
    if image.mode != "RGB":
        return image.convert("RGB")
    # `convert` would copy it: up to a sixth of the time of decoding.
    image.load()
    return image


def _refuse_wide(image: Image.Image) -> None:
    # ImageFolder takes these, too: Pillow cuts off at 0 and 255, which makes white, and black of floats from 0 to 1.
    values = np.asarray(image)
    low, high = float(values.min()), float(values.max())
    if low < 0 or high > 255 or (image.mode == "F" and high <= 1):
        raise WideValuesError(f"has values of mode {image.mode} from {low:g} to {high:g}")


@dataclass(eq=False)
class FastDecoder:
    """The bytes of `decode_rgb`, uint8 (H, W, 3), sooner where the packages of the extra `fast` are installed.

    simplejpeg reads JPEG files of YCbCr or grey, pyspng PNG files of 8 bits of red, green and blue. Pillow reads all
    others, and those that these refuse, which are noted.

    Args:
        folder: where files are noted that Pillow reads although the packages are there; None notes them nowhere.
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
    """Of the chunks of a PNG file: pyspng makes wrong pixels of damaged ones. Takes a 50th of its time."""
    start, kind = 8, b""
    while start < len(content) and kind != b"IEND":
        kind, end = content[start + 4 : start + 8], start + 8 + int.from_bytes(content[start : start + 4], "big")
        if zlib.crc32(content[start + 4 : end]) != int.from_bytes(content[end : end + 4], "big"):
            raise ValueError("PNG with a wrong checksum")
        start = end + 4


_READERS = {b"\xff\xd8\xff": _jpeg, b"\x89PNG\r\n\x1a\n": _png}


def image_size(path: str) -> tuple[int, int]:
    """(width, height) of an image file, from its header; raises DataError where it is missing, or no image."""
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
    """An image uint8 (H, W, 3) as uint8 (3, *size), interpolated by torch as Pillow does, but for single levels.

    In bytes torch has kernels of 16 bits for CPUs with AVX2, three times as fast as Pillow.
    """
    # A copy, since torch warns of arrays that are read-only, and takes these channels last.
    image = torch.from_numpy(np.array(pixels)).permute(2, 0, 1)[None]
    return torch.nn.functional.interpolate(image, size, mode=mode, antialias=True)[0]
