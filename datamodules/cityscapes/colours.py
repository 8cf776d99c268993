"""Colour jitter and blur: by Pillow in a worker for one crop, or on the device for a batch, with the same bytes."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image, ImageFilter
from torchvision.transforms import functional

from datamodules.loading import keyed


class Colours(NamedTuple):
    """The drawn parameters of one sample.

    order: order of the four adjustments (positions in `ADJUSTMENTS`); empty for no jitter.
    factors: factors of brightness, contrast and saturation, then the shift of the hue, in whole turns.
    sigma: standard deviation of the Gaussian blur in pixels; None for none.
    """

    order: tuple[int, ...]
    factors: tuple[float, ...]
    sigma: float | None


ADJUSTMENTS = (
    functional.adjust_brightness,
    functional.adjust_contrast,
    functional.adjust_saturation,
    functional.adjust_hue,
)


def draw_colours(jitter: float, blur: tuple[float, float] | None, random: np.random.Generator) -> Colours:
    """Draws as torchvision's ColorJitter(jitter, ...), then the blur; the order of draws decides every sample."""
    order, factors = (), ()
    if jitter:
        order = tuple(np.argsort([random.random() for _ in ADJUSTMENTS]).tolist())
        factors = tuple(keyed.uniform(random, 1 - jitter, 1 + jitter) for _ in range(3))
        factors += (keyed.uniform(random, -jitter, jitter),)
    return Colours(order, factors, None if blur is None else keyed.uniform(random, *blur))


def colour_with_pillow(image: Image.Image, colours: Colours) -> Image.Image:
    for number in colours.order:
        image = ADJUSTMENTS[number](image, colours.factors[number])
    return image if colours.sigma is None else image.filter(ImageFilter.GaussianBlur(colours.sigma))


def colour_on_device(images: torch.Tensor, colours: Sequence[Colours]) -> torch.Tensor:
    """As `colour_with_pillow`, for a batch uint8 (N, 3, H, W) on any device, without synchronising with it.

    Reproduces Pillow's arithmetic (Blend.c, Convert.c and BoxBlur.c), which rounds to bytes after each step. A device
    without float64 (Apple's MPS) may differ by one level.
    """
    return torch.stack([_colour(image, each) for image, each in zip(images, colours, strict=True)])


def _colour(image: torch.Tensor, colours: Colours) -> torch.Tensor:
    # Bytes as float32, which holds whole numbers exactly up to 2 ** 24.
    image = image.float()
    for number in colours.order:
        image = _ON_DEVICE[number](image, colours.factors[number])
    if colours.sigma is not None:
        radius = _box_radius(colours.sigma)
        # Three box blurs along each axis approximate a Gaussian, as in Pillow.
        for axis in (2, 2, 2, 1, 1, 1):
            image = _box(image, radius, axis)
    return image.to(torch.uint8)


def _wide(values: torch.Tensor) -> torch.Tensor:
    return values if values.device.type == "mps" else values.double()


def _blend(other: torch.Tensor | float, image: torch.Tensor, factor: float) -> torch.Tensor:
    return (other + factor * (image - other)).clamp(0, 255).floor()


def _grey(image: torch.Tensor) -> torch.Tensor:
    """ITU-R 601 luma in 16-bit fixed point, values of uint8, (1, H, W)."""
    red, green, blue = image.split(1)
    return ((red * 19595 + green * 38470 + blue * 7471 + 32768) / 65536).floor()


def _contrast(image: torch.Tensor, factor: float) -> torch.Tensor:
    grey = _grey(image)
    return _blend((grey.long().sum() * 2 + grey.numel()) // (2 * grey.numel()), image, factor)


def _hue(image: torch.Tensor, turn: float) -> torch.Tensor:
    """Converts to HSV in bytes, shifts the hue, and converts back, as Pillow does."""
    red, green, _ = image
    value, span = image.amax(0), image.amax(0) - image.amin(0)
    to_red, to_green, to_blue = (value - image) / span.clamp(min=1)
    sector = torch.where(green == value, 2 + _wide(to_red) - to_blue, 4 + _wide(to_green) - to_red)
    sector = torch.where(red == value, _wide(to_blue - to_green), sector).float()
    hue = (_wide((_wide(sector) / 6 + 1).fmod(1).float()) * 255).floor() * (span > 0)
    saturation = (_wide(span / value.clamp(min=1)) * 255).floor()
    hue = (hue + int(turn * 255)) % 256

    sixth = hue * 6 / 255
    inside = _wide((sixth - sixth.floor()).float())
    share, value = _wide((saturation / 255).float()), _wide(value)
    low = (value * (1 - share) + 0.5).floor()
    falling = (value * (1 - share * inside) + 0.5).floor()
    rising = (value * (1 - share * (1 - inside)) + 0.5).floor()
    # Which of the four values each channel takes, by the sixth of the hue circle.
    four = torch.stack((value, low, falling, rising))
    which = torch.stack(
        [
            _pick(sixth, (0, 2, 1, 1, 3, 0)),
            _pick(sixth, (3, 0, 0, 2, 1, 1)),
            _pick(sixth, (1, 1, 3, 0, 0, 2)),
        ]
    )
    return four.gather(0, which).float()


def _pick(sixth: torch.Tensor, choice: tuple[int, ...]) -> torch.Tensor:
    sector, found = sixth.floor() % 6, torch.zeros_like(sixth, dtype=torch.long)
    for number, each in enumerate(choice):
        found = found + (sector == number) * each
    return found


def _box_radius(sigma: float) -> float:
    """Radius of a box, three of which have the Gaussian's variance; Gwosdek et al., SSVM 2011."""
    variance = np.float32(sigma) ** 2 / np.float32(3)
    length = math.floor((math.sqrt(12 * variance + 1) - 1) / 2)
    rest = (2 * length + 1) * (length * (length + 1) - 3 * variance) / (6 * (variance - (length + 1) ** 2))
    return float(np.float32(length + rest))


def _box(image: torch.Tensor, radius: float, axis: int) -> torch.Tensor:
    """Mean over 2 * radius + 1 pixels, fractional at both ends; the border pixel is repeated beyond the border."""
    reach, size = int(radius), image.shape[axis]
    weight = int(2**24 / (np.float32(radius) * 2 + 1))
    outer = (2**24 - (2 * reach + 1) * weight) // 2
    places = torch.arange(size, device=image.device)
    total = weight * _wide(image)
    for step in range(1, reach + 2):
        near = image.index_select(axis, (places - step).clamp(min=0))
        far = image.index_select(axis, (places + step).clamp(max=size - 1))
        total = total + _wide(near + far) * (weight if step <= reach else outer)
    return ((total + 2**23) / 2**24).floor().float()


_ON_DEVICE = (
    lambda image, factor: _blend(0.0, image, factor),
    _contrast,
    lambda image, factor: _blend(_grey(image), image, factor),
    _hue,
)
