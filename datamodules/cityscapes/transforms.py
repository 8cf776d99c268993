"""Transforms of an image and its class map to a training crop: the same scale, crop and flip for both."""

import math
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image

from datamodules.cityscapes.colours import Colours, colour_with_pillow, draw_colours
from datamodules.cityscapes.labels import IGNORED_PIXEL
from datamodules.loading import keyed
from datamodules.loading.decode import resize_bytes, to_uint8

# Support of PIL's bicubic filter, in pixels of the coarser of the two grids.
_BICUBIC_SUPPORT = 2

TOLERANCE = 64
"""`near_window` may shift a crop by at most 1/64 pixel."""


@dataclass(frozen=True)
class SegmentationTransform:
    """Scale, pad and crop, flip, colour jitter, blur: the paper's augmentations (section 4.2.1) in their order.

    The crop is uniform among those that lie in the scaled image and, where a centroid is given, contain it. Along a
    side on which the scaled image is smaller than the crop, it lies in the middle, the rest padded with black and 255;
    jitter and blur come after the padding and see it. Deviations from NVIDIA/semantic-segmentation: a padded image is
    not shifted by up to a pixel, and Pillow's Gaussian blur stands for scikit-image's.

    Args:
        size: side of the crop in pixels.
        scale: least and greatest factor of both sides, drawn uniformly.
        flip: mirror left to right with probability 0.5.
        jitter: brightness, contrast and saturation are multiplied by 1 - jitter to 1 + jitter and the hue is turned by
            up to jitter of a whole turn, in drawn order, as torchvision's ColorJitter does; 0 for none.
        blur: least and greatest standard deviation of the Gaussian blur in pixels; None for none.
    """

    size: int
    scale: tuple[float, float] = (0.5, 2.0)
    flip: bool = True
    jitter: float = 0.25
    blur: tuple[float, float] | None = (0.15, 1.3)

    def __call__(
        self,
        image: Image.Image | np.ndarray,
        classes: np.ndarray,
        random: np.random.Generator,
        centroid: tuple[int, int] | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """A sample.

        Args:
            image: RGB; as an array uint8 (H, W, 3).
            classes: uint8 (H, W) of the image's size.
            random: draws all.
            centroid: row and column of a pixel that the crop must contain.

        Returns:
            uint8 image (3, size, size), and uint8 classes (size, size) with 255 where ignored.
        """
        image = Image.fromarray(image) if isinstance(image, np.ndarray) else image
        scaled, corner, flip = self._place(image.size, centroid, random)
        image = scaled_window(image, scaled, corner, self.size)
        classes = scaled_classes_window(classes, scaled, corner, self.size)
        if flip:
            image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
            classes = classes[:, ::-1].copy()
        image = colour_with_pillow(image, draw_colours(self.jitter, self.blur, random))
        return to_uint8(image), torch.from_numpy(classes)

    def _place(
        self, size: tuple[int, int], centroid: tuple[int, int] | None, random: np.random.Generator
    ) -> tuple[tuple[int, int], tuple[int, int], bool]:
        """Size of the scaled image, left and top of the crop in it (negative if it is padded there), if to mirror."""
        scaled = scaled_size(size, keyed.uniform(random, *self.scale))
        inside = (None, None) if centroid is None else (centroid[1], centroid[0])
        left, top = (
            crop_start(length, self.size, None if pixel is None else scaled_pixel(pixel, before, length), random)
            for before, length, pixel in zip(size, scaled, inside, strict=True)
        )
        return scaled, (left, top), self.flip and random.random() < 0.5


class FastSegmentationTransform(SegmentationTransform):
    """The same draws, but torch resizes the crop alone, and `colour_on_device` applies jitter and blur.

    Reads only the part of the image, uint8 (H, W, 3), and of the classes (H, W) that the crop needs.
    """

    def __call__(
        self,
        image: np.ndarray,
        classes: np.ndarray,
        random: np.random.Generator,
        centroid: tuple[int, int] | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor, Colours]:
        height, width = classes.shape
        scaled, corner, flip = self._place((width, height), centroid, random)
        pixels = near_window(image, scaled, corner, self.size)
        targets = torch.from_numpy(scaled_classes_window(classes, scaled, corner, self.size))
        if flip:
            pixels, targets = pixels.flip(2), targets.flip(1)
        return pixels, targets, draw_colours(self.jitter, self.blur, random)


def scaled_size(size: tuple[int, int], factor: float) -> tuple[int, int]:
    """Width and height times a factor, rounded to the nearest pixel, at least 1."""
    return max(1, round(size[0] * factor)), max(1, round(size[1] * factor))


def scaled_pixel(pixel: int, before: int, after: int) -> int:
    """The pixel of a side of `after` pixels that contains the centre of pixel `pixel` of a side of `before` pixels."""
    return (2 * pixel + 1) * after // (2 * before)


def crop_start(length: int, crop: int, pixel: int | None, random: np.random.Generator) -> int:
    """Draws the first pixel of a crop along a side of `length` pixels, uniform among crops that contain `pixel`."""
    if length <= crop:
        return -((crop - length) // 2)
    low, high = 0, length - crop
    if pixel is not None:
        low, high = max(low, pixel - crop + 1), min(high, pixel)
    return low + int(random.random() * (high - low + 1))


def scaled_window(image: Image.Image, scaled: tuple[int, int], corner: tuple[int, int], size: int) -> Image.Image:
    """The square (left, top, size, size) of the image resized to `scaled` by bicubic interpolation, black outside.

    Equals resizing the whole image and cropping afterwards, at 0.4 of the cost for a crop of 736 from an image of
    1024 x 2048. Pillow resizes along rows first and along columns second, so the first pass can skip rows that the
    second does not read, and the second can skip columns outside the crop. (`resize(box=...)` of Pillow rounds the box
    to single precision, which changes some pixels by up to 2.)
    """
    left, top, right, bottom = _inner(scaled, corner, size)
    first, last = _rows_read(image.height, scaled[1], top, bottom)
    rows = image.crop((0, first, image.width, last)).resize((scaled[0], last - first), Image.Resampling.BICUBIC)
    column = Image.new("RGB", (right - left, image.height))
    column.paste(rows.crop((left, 0, right, last - first)), (0, first))
    inner = column.resize((right - left, scaled[1]), Image.Resampling.BICUBIC).crop((0, top, right - left, bottom))
    if inner.size == (size, size):
        return inner
    padded = Image.new("RGB", (size, size))
    padded.paste(inner, (left - corner[0], top - corner[1]))
    return padded


def near_window(image: np.ndarray, scaled: tuple[int, int], corner: tuple[int, int], size: int) -> torch.Tensor:
    """As `scaled_window`, for an array, at a tenth of the cost: uint8 (3, size, size).

    torch can only resize whole pixels to whole pixels. So the resized part extends beyond the crop to places where
    pixels of both grids begin within 1 / TOLERANCE pixel of each other; at the image's border they always do.
    """
    left, top, right, bottom = _inner(scaled, corner, size)
    height, width = image.shape[:2]
    (x, from_x), (right_x, to_x) = _meeting(width, scaled[0], left, right)
    (y, from_y), (bottom_y, to_y) = _meeting(height, scaled[1], top, bottom)
    resized = resize_bytes(image[y:bottom_y, x:right_x], (to_y - from_y, to_x - from_x), "bicubic")
    inner = resized[:, top - from_y : bottom - from_y, left - from_x : right - from_x]
    window = torch.zeros((3, size, size), dtype=torch.uint8)
    x, y = left - corner[0], top - corner[1]
    window[:, y : y + bottom - top, x : x + right - left] = inner
    return window


def _meeting(before: int, after: int, start: int, stop: int) -> tuple[tuple[int, int], tuple[int, int]]:
    """Two places around pixels `start` to `stop` of a side of `after` pixels, at which both grids (nearly) meet.

    Each as (pixel of the side of `before`, pixel of the side of `after`), far enough outside for the filter's support.
    """
    reach = math.ceil((_BICUBIC_SUPPORT * max(before / after, 1) + 1) * after / before)

    def first(places: range) -> tuple[int, int]:
        apart = (min(place * before % after, -place * before % after) for place in places)
        place = next(place for place, off in zip(places, apart, strict=True) if off * TOLERANCE <= after)
        return (2 * place * before + after) // (2 * after), place

    return first(range(max(start - reach, 0), -1, -1)), first(range(min(stop + reach, after), after + 1))


def scaled_classes_window(
    classes: np.ndarray, scaled: tuple[int, int], corner: tuple[int, int], size: int
) -> np.ndarray:
    """As `scaled_window`, for classes, by the nearest pixel, 255 outside: uint8 (size, size)."""
    left, top, right, bottom = _inner(scaled, corner, size)
    height, width = classes.shape
    rows, columns = _nearest(top, bottom, scaled[1], height), _nearest(left, right, scaled[0], width)
    window = np.full((size, size), IGNORED_PIXEL, dtype=np.uint8)
    y, x = top - corner[1], left - corner[0]
    # Rows first, each copied in one piece: three times as fast as picking single pixels.
    window[y : y + len(rows), x : x + len(columns)] = classes[rows].take(columns, axis=1)
    return window


def _inner(scaled: tuple[int, int], corner: tuple[int, int], size: int) -> tuple[int, int, int, int]:
    """Left, top, right and bottom of the part of the crop that lies in the scaled image."""
    (left, top), (width, height) = corner, scaled
    return max(left, 0), max(top, 0), min(left + size, width), min(top + size, height)


def _rows_read(before: int, after: int, top: int, bottom: int) -> tuple[int, int]:
    """Rows [first, last) of the image that suffice to compute rows `top` to `bottom` of the scaled image."""
    reach = math.ceil(_BICUBIC_SUPPORT * max(before / after, 1)) + 1
    return max(top * before // after - reach, 0), min(-(-bottom * before // after) + reach, before)


def _nearest(start: int, stop: int, scaled: int, length: int) -> np.ndarray:
    """The original pixels that contain the centres of scaled pixels `start` to `stop`; exact, in integers."""
    return (2 * np.arange(start, stop) + 1) * length // (2 * scaled)
