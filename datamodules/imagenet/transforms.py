"""Transforms of a decoded image to a uint8 crop, or to the image at its own aspect ratio."""

import math
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image

from datamodules.errors import DataError, at_least, checked
from datamodules.loading import keyed
from datamodules.loading.decode import resize_bytes, to_uint8

_ATTEMPTS = 10


@dataclass(frozen=True)
class RandomResizedCrop:
    """A box of random area and aspect ratio, resized to a square: torchvision's RandomResizedCrop on PIL images.

    Args:
        size: side of the result in pixels.
        scale: least and greatest area of the box, as a share of the image's.
        ratio: least and greatest width / height of the box.
    """

    size: int
    scale: tuple[float, float] = (0.08, 1.0)
    ratio: tuple[float, float] = (3 / 4, 4 / 3)

    def box(self, width: int, height: int, random: np.random.Generator) -> tuple[int, int, int, int]:
        """(left, top, width, height), distributed as torchvision's `get_params`."""
        low, high = math.log(self.ratio[0]), math.log(self.ratio[1])
        for _ in range(_ATTEMPTS):
            # The order of the draws must never change: it decides every training sample.
            area = width * height * keyed.uniform(random, *self.scale)
            aspect = math.exp(keyed.uniform(random, low, high))
            w, h = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
            if 0 < w <= width and 0 < h <= height:
                top = _below(random, height - h + 1)
                return _below(random, width - w + 1), top, w, h
        return self._central(width, height)

    def _central(self, width: int, height: int) -> tuple[int, int, int, int]:
        w, h = width, height
        if width / height < self.ratio[0]:
            h = round(width / self.ratio[0])
        elif width / height > self.ratio[1]:
            w = round(height * self.ratio[1])
        return (width - w) // 2, (height - h) // 2, w, h

    def __call__(self, image: Image.Image, random: np.random.Generator, where: str = "image") -> Image.Image:
        return resized_crop(image, self.box(*image.size, random), self.size)


@dataclass(frozen=True)
class RandomCrop:
    """A random square inside the image. Unlike the usual CIFAR recipe it pads nothing: padding is what is studied.

    Args:
        size: side of the square in pixels.
    """

    size: int

    def __call__(self, image: Image.Image, random: np.random.Generator, where: str = "image") -> Image.Image:
        _refuse_smaller(image, self.size, where)
        top = _below(random, image.height - self.size + 1)
        left = _below(random, image.width - self.size + 1)
        return image.crop((left, top, left + self.size, top + self.size))


@dataclass(frozen=True)
class TrainTransform:
    """A random crop and a flip.

    Args:
        crop: RandomResizedCrop or RandomCrop.
        flip: mirror left to right with probability 0.5.
    """

    crop: RandomResizedCrop | RandomCrop
    flip: bool = True

    def __call__(self, image: Image.Image, random: np.random.Generator, where: str = "image") -> torch.Tensor:
        """A uint8 tensor (3, size, size); `where` names the image in errors."""
        image = self.crop(image, random, where)
        return to_uint8(image, flip=self.flip and random.random() < 0.5)


class FastTrainTransform(TrainTransform):
    """The same draws for an array uint8 (H, W, 3), resized by torch; `crop` is a RandomResizedCrop."""

    def __call__(self, image: np.ndarray, random: np.random.Generator, where: str = "image") -> torch.Tensor:
        height, width = image.shape[:2]
        left, top, w, h = self.crop.box(width, height, random)
        pixels = resize_bytes(image[top : top + h, left : left + w], (self.crop.size, self.crop.size), "bilinear")
        return pixels.flip(2) if self.flip and random.random() < 0.5 else pixels


@dataclass(frozen=True)
class EvalTransform:
    """Resize and centre crop, bit for bit as torchvision's Resize and CenterCrop on PIL images.

    Args:
        size: side of the crop in pixels.
        resize: length that the shorter side is resized to first, in pixels; None leaves the image as it is.
    """

    size: int
    resize: int | None = None

    def __call__(self, image: Image.Image, where: str = "image") -> torch.Tensor:
        """A uint8 tensor (3, size, size); `where` names the image in errors."""
        image = image if self.resize is None else resize_shorter(image, self.resize)
        _refuse_smaller(image, self.size, where)
        left, top = round((image.width - self.size) / 2), round((image.height - self.size) / 2)
        return to_uint8(image.crop((left, top, left + self.size, top + self.size)))


class FastEvalTransform(EvalTransform):
    """As EvalTransform, resized by torch, for an image or an array uint8 (H, W, 3); `resize` is not None."""

    def __call__(self, image: Image.Image | np.ndarray, where: str = "image") -> torch.Tensor:
        image = np.asarray(image)
        width, height = shorter_at(self.resize, image.shape[1], image.shape[0])
        left, top = round((width - self.size) / 2), round((height - self.size) / 2)
        resized = resize_bytes(image, (height, width), "bilinear")
        return resized[:, top : top + self.size, left : left + self.size].contiguous()


@dataclass(frozen=True)
class UncroppedTransform:
    """The image at its own aspect ratio; a side longer than `side` is cropped to its centre.

    Args:
        side: greatest height and width of the result, in pixels: a batch of N takes at most N x 3 x side x side bytes.
        resize: length that the shorter side is resized to first, in pixels; None leaves the image as it is.
    """

    side: int
    resize: int | None = None

    def __call__(self, image: Image.Image, where: str = "image") -> torch.Tensor:
        """A uint8 tensor (3, height, width)."""
        image = image if self.resize is None else resize_shorter(image, self.resize)
        width, height = (min(length, self.side) for length in image.size)
        left, top = (image.width - width) // 2, (image.height - height) // 2
        return to_uint8(image.crop((left, top, left + width, top + height)))


def resized_crop(image: Image.Image, box: tuple[int, int, int, int], size: int) -> Image.Image:
    """Resizes the box (left, top, width, height) to size x size by bilinear interpolation.

    Crops before it resizes, as torchvision does: PIL's `resize(box=...)` reads pixels outside the box.
    """
    left, top, width, height = box
    return image.crop((left, top, left + width, top + height)).resize((size, size), Image.Resampling.BILINEAR)


def resize_shorter(image: Image.Image, length: int) -> Image.Image:
    """Resizes the shorter side to `length` pixels by bilinear interpolation; the longer side is rounded down."""
    return image.resize(shorter_at(length, *image.size), Image.Resampling.BILINEAR)


def shorter_at(length: int, width: int, height: int) -> tuple[int, int]:
    """Width and height after the shorter side is resized to `length` pixels."""
    return (length, int(length * height / width)) if width <= height else (int(length * width / height), length)


def _refuse_smaller(image: Image.Image, size: int, where: str) -> None:
    if min(image.size) < size:
        raise DataError(
            f"is {image.width} x {image.height} pixels, smaller than the crop of {size} x {size}",
            where=where,
            todo="Lower `image_size` (or `margin`, if there is one), or resize first (`train_crop: random_resized`, "
            "`eval_resize`).",
        )


def _below(random: np.random.Generator, bound: int) -> int:
    return int(random.random() * bound)


def train_transform(kind: str, size: int, scale: tuple, ratio: tuple, flip: bool, fast: bool) -> TrainTransform:
    """Builds the transform of training images from the settings; raises DataError for values out of range."""
    at_least(1, "image_size", size)
    if kind == "random":
        return TrainTransform(RandomCrop(size), flip)
    checked("train_crop", kind, kind == "random_resized", "'random_resized' or 'random'")
    checked("crop_scale", scale, 0 < scale[0] <= scale[1] <= 1, "two shares with 0 < least <= greatest <= 1")
    checked("crop_ratio", ratio, 0 < ratio[0] <= ratio[1], "two ratios with 0 < least <= greatest")
    return (FastTrainTransform if fast else TrainTransform)(RandomResizedCrop(size, scale, ratio), flip)


def eval_transform(size: int, resize: int | None, fast: bool) -> EvalTransform:
    """Builds the evaluation transform from the settings; raises DataError if the crop would have to be padded."""
    if resize is not None and resize < size:
        raise DataError(
            f"`eval_resize` is {resize}, smaller than `image_size` and its `margin`s, {size}: the crop would be padded",
            todo="Raise it, or set it to null to crop without resizing.",
        )
    return (FastEvalTransform if fast and resize else EvalTransform)(size, resize)


def uncropped_transform(size: int, resize: int | None, side: int) -> UncroppedTransform:
    """Builds the transform for padded batches; raises DataError if it would keep less than the centre crop does."""
    least = size if resize is None else resize
    if side < least:
        raise DataError(
            f"`padded_side` is {side}, smaller than `{'image_size' if resize is None else 'eval_resize'}` {least}: less"
            " than the crop would be left of an image",
            todo="Raise it; twice the length of the shorter side cuts few photographs.",
        )
    return UncroppedTransform(side, resize)
