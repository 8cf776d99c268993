"""Scenes with their class maps: training crops keyed by (epoch, index), evaluation images by their index."""

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch.utils.data import Dataset

from datamodules.cityscapes.class_uniform import ClassUniform, EpochPlan
from datamodules.cityscapes.files import Scene
from datamodules.cityscapes.labels import IGNORED_PIXEL, decode_classes
from datamodules.cityscapes.transforms import SegmentationTransform
from datamodules.errors import DataError
from datamodules.loading import keyed
from datamodules.loading.cache import PixelCache
from datamodules.loading.decode import decode_rgb, image_size, to_uint8
from datamodules.loading.path_table import PathTable
from datamodules.loading.samplers import STAND_IN


class SceneFiles:
    """Scenes of a tree, decoded one at a time, or read from a cache of `scene_cache`.

    Args:
        root: the tree.
        scenes: of it.
        cache: a cache of these scenes in any order; None decodes the files.
        decode: decodes an image file to RGB.
    """

    def __init__(
        self,
        root: Path,
        scenes: list[Scene],
        cache: PixelCache | None = None,
        decode: Callable[[str], Any] = decode_rgb,
    ):
        self.root = root
        self.images = PathTable.pack(scene.image for scene in scenes)
        self.labels = PathTable.pack(scene.label for scene in scenes)
        self.cache, self.decode = cache, decode
        if cache is not None:
            number = {name: i for i, name in enumerate(cache.names)}
            self._cached = np.array([number[scene.image] for scene in scenes])

    def __len__(self) -> int:
        return len(self.images)

    def paths(self, index: int) -> tuple[str, str]:
        """Paths of the image and of its label file."""
        return os.path.join(self.root, self.images[index]), os.path.join(self.root, self.labels[index])

    def load(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """The RGB image (H, W, 3) and its classes (H, W), uint8; memory-mapped if they come from the cache.

        Raises:
            DataError: a file cannot be decoded, the two differ in size, or the cache cannot be used.
        """
        if self.cache is not None:
            pixels, (height, width) = self.cache[int(self._cached[index])]
            colours, classes = np.split(pixels, [3 * height * width])
            return colours.reshape(height, width, 3), classes.reshape(height, width)
        path, label_path = self.paths(index)
        image, classes = np.asarray(self.decode(path)), decode_classes(label_path)
        refuse_other_size(path, image.shape[1::-1], label_path, classes.shape[::-1])
        return image, classes

    def bytes(self, index: int) -> np.ndarray:
        """The arrays of `load` in one: the image by rows, three bytes per pixel, then the classes."""
        return np.concatenate([np.ravel(part) for part in self.load(index)])

    def size(self, index: int) -> tuple[int, int]:
        """(height, width) of a scene, from the header."""
        width, height = image_size(self.paths(index)[0])
        return height, width


def scene_cache(folder: Path, root: Path, scenes: list[Scene]) -> PixelCache:
    """A lossless cache of scenes in any order, 4 bytes per pixel: 8.4 MB for a scene of Cityscapes."""
    ordered = sorted(set(scenes))
    files, key = SceneFiles(root, ordered), ("scenes", os.path.realpath(root))
    return PixelCache(folder, key, [each.image for each in ordered], files.paths, files.bytes, files.size, channels=4)


@dataclass(eq=False)
class TrainScenes(Dataset):
    """Augmented crops, each a pure function of (seed, epoch, index).

    Args:
        files: the fine scenes, then the coarse ones.
        sampling: decides the scene and the pixel of each sample of an epoch.
        transform: scale, crop, flip, colours, blur.
        seed: seed of the plan and of the augmentation.
    """

    files: SceneFiles
    sampling: ClassUniform
    transform: SegmentationTransform
    seed: int
    _plan: tuple[int, EpochPlan] | None = field(default=None, init=False)

    def __len__(self) -> int:
        return self.sampling.size

    def __getitem__(self, key: tuple[int, int]) -> tuple:
        """uint8 image (3, size, size) and uint8 classes (size, size), for a key (epoch, index); `Colours` if fast."""
        epoch, index = key
        plan = self._plan_of(epoch)
        image, classes = self.files.load(int(plan.scenes[index]))
        row, column = plan.centroids[index].tolist()
        random = keyed.generator(self.seed, "augment", epoch, index)
        return self.transform(image, classes, random, None if row < 0 else (row, column))

    def file(self, key: tuple[int, int]) -> str:
        """The image file of a sample."""
        return self.files.paths(int(self._plan_of(key[0]).scenes[key[1]]))[0]

    def _plan_of(self, epoch: int) -> EpochPlan:
        # Cached: each worker computes the plan once per epoch.
        if self._plan is None or self._plan[0] != epoch:
            self._plan = (epoch, self.sampling.plan(self.seed, epoch))
        return self._plan[1]


@dataclass(eq=False)
class EvalScenes(Dataset):
    """Whole images and their classes; the index STAND_IN gives the first image with all pixels ignored.

    Args:
        margin: pixels on each side that are context and not evaluated.
    """

    files: SceneFiles
    margin: int = 0

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, torch.Tensor]:
        """uint8 image (3, H, W) and uint8 classes (H, W). Raises DataError if the margins leave nothing to evaluate."""
        image, classes = self.files.load(max(index, 0))
        height, width = classes.shape
        if min(height, width) <= 2 * self.margin:
            raise DataError(
                f"is {width} x {height} pixels, too small for a margin of {self.margin} on each side",
                where=self.files.paths(max(index, 0))[0],
                todo="Lower `margin`.",
            )
        if index == STAND_IN:
            classes = np.full_like(classes, IGNORED_PIXEL)
        return to_uint8(image), torch.from_numpy(np.array(classes))


def whole_image(image: Image.Image, where: str = "image") -> torch.Tensor:
    """The identity transform: the whole image as a uint8 tensor (3, H, W)."""
    return to_uint8(image)


def refuse_other_size(image: str, size: tuple[int, int], label: str, label_size: tuple[int, int]) -> None:
    """Raises DataError if the image and its label file differ in size (width, height)."""
    if tuple(size) != tuple(label_size):
        raise DataError(
            f"is {size[0]} x {size[1]} pixels, but its label file {label} is {label_size[0]} x {label_size[1]}",
            where=image,
            todo="Restore both from the archives.",
        )
