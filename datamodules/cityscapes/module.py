"""Cityscapes as batches, and any data set in its layout and label ids."""

import os
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from PIL import Image

from datamodules.cityscapes.centroids import find_centroids
from datamodules.cityscapes.class_uniform import ClassUniform
from datamodules.cityscapes.colours import colour_on_device
from datamodules.cityscapes.datasets import EvalScenes, SceneFiles, TrainScenes, scene_cache, whole_image
from datamodules.cityscapes.files import Scene
from datamodules.cityscapes.labels import CLASS_COLOURS, CLASS_NAMES, IGNORED_PIXEL, LABEL_IDS
from datamodules.cityscapes.splits import check_split, coarse_scenes, fine_scenes
from datamodules.cityscapes.transforms import FastSegmentationTransform, SegmentationTransform, scaled_size
from datamodules.errors import DataError, at_least, checked
from datamodules.loading.cache import PixelCache
from datamodules.loading.decode import image_size
from datamodules.loading.file_set import FileSet, digest_of
from datamodules.loading.index import file_size
from datamodules.loading.padded import PaddedBatch
from datamodules.loading.path_table import PathTable
from datamodules.loading.resumable import ResumableDataModule


class CityscapesDataModule(ResumableDataModule):
    """Street scenes with a class for each pixel: leftImg8bit/, gtFine/ and, for the coarse labels, gtCoarse/.

    Batches are (images, targets): after the transfer to the device, images (N, 3, H, W) normalised in the Trainer's
    precision, and targets (N, H, W) int64, classes 0 to 18 and 255 where ignored. Training batches are square crops;
    evaluation batches hold one whole image for each process, whatever its size, and a process that is one short gets
    the first image with nothing but 255. `predict` batches are (images, paths), with an empty path for a stand-in.

    With `eval_padded`, `validate` serves PaddedBatch(images, targets, sizes): images of different sizes, each at the
    top left, 0 beyond it and 255 in the targets; and sizes (N, 2) int64, height and width of each. `fit`, `test` and
    `predict` take images one by one in any case.

    `validate` and `test` serve the same images, the validation cities of the split, because the labels of the official
    test set are withheld.

    Args:
        root: Folder that holds leftImg8bit/ and gtFine/, or the archives' own folders with these inside.
        split: 0 (the official one), 1 or 2 validate on other 3 of the 21 cities; "folders" takes train/ and val/ as
            they are, for other data in this layout.
        batch_size: As of ResumableDataModule, and so are the further arguments, `shared`; the mean and deviation of
            ImageNet are those of NVIDIA/semantic-segmentation, too.
        crop_size: Side of the training crops in pixels (the paper: 896 for ResNet50, 736 for WideResNet38).
        class_uniform: Share of an epoch whose crops are drawn around each class in turn; 0 for whole images alone.
        tile_size: Side of the tiles whose centroids the crops are drawn around, in pixels.
        coarse: Whether the coarsely labelled images of train_extra join for the rare classes.
        coarse_until_epoch: The first epoch without them, counted from 0.
        scale: Least and greatest factor by which training images are scaled.
        flip: Whether to mirror training images left to right with probability 0.5.
        jitter: Greatest change of brightness, contrast, saturation and hue, as a share, up to 0.5; 0 for none.
        blur: Least and greatest standard deviation of the Gaussian blur, in pixels; null for none.
        padded_batch_size: Images in a batch of `eval_padded` over all processes; the largest images decide the memory.

    Raises:
        DataError: settings contradict one another.
    """

    targets_of = "pixel"
    padded_batch, padded_fill = "padded_batch_size", IGNORED_PIXEL
    num_classes = len(CLASS_NAMES)
    class_names = CLASS_NAMES
    class_colours = CLASS_COLOURS
    label_ids = LABEL_IDS

    def __init__(
        self,
        root: str,
        split: Literal[0, 1, 2, "folders"] = 0,
        batch_size: int = 16,
        crop_size: int = 896,
        class_uniform: float = 0.5,
        tile_size: int = 1024,
        coarse: bool = True,
        coarse_until_epoch: int = 150,
        scale: tuple[float, float] = (0.5, 2.0),
        flip: bool = True,
        jitter: float = 0.25,
        blur: tuple[float, float] | None = (0.15, 1.3),
        padded_batch_size: int = 4,
        **shared: Any,
    ):
        # Evaluation takes whole images, which may differ in size, so each process takes them one by one.
        super().__init__(root=root, batch_size=batch_size, eval_batch_size=None, **shared)
        self.padded_batch_size = at_least(1, "padded_batch_size", padded_batch_size)
        self.split = check_split(split)
        self.class_uniform, self.tile_size = class_uniform, tile_size
        self.coarse, self.coarse_until_epoch = coarse, coarse_until_epoch
        scale, blur = tuple(scale), None if blur is None else tuple(blur)
        transform = FastSegmentationTransform if self.fast else SegmentationTransform
        self.transform = transform(at_least(1, "crop_size", crop_size), scale, flip, jitter, blur)
        checked("scale", scale, len(scale) == 2 and 0 < scale[0] <= scale[1], "two factors with 0 < least <= greatest")
        checked("jitter", jitter, 0 <= jitter <= 0.5, "from 0 to 0.5")
        ordered = blur is None or (len(blur) == 2 and 0 <= blur[0] <= blur[1])
        checked("blur", blur, ordered, "null or two deviations with 0 <= least <= greatest")
        checked("class_uniform", class_uniform, 0 <= class_uniform <= 1, "a share from 0 to 1")
        at_least(1, "tile_size", tile_size)
        if coarse and class_uniform == 0:
            raise DataError(
                "`coarse` is on and `class_uniform` is 0, so that no coarse image would ever be drawn",
                todo="Set data.coarse=false, or raise `class_uniform`.",
            )
        if coarse and coarse_until_epoch < 1:
            raise DataError(
                f"`coarse_until_epoch` is {coarse_until_epoch}; it must be at least 1",
                todo="Set data.coarse=false to train without coarse images.",
            )

    # The files and labels; each part is read from the disk on first use.

    @cached_property
    def train_scenes(self) -> list[Scene]:
        """The finely labelled training scenes; an epoch has equally many samples."""
        return fine_scenes(self.root, self.split, "train")

    @cached_property
    def val_scenes(self) -> list[Scene]:
        return fine_scenes(self.root, self.split, "val")

    @cached_property
    def coarse_scenes(self) -> list[Scene]:
        """The coarsely labelled scenes of train_extra; empty if `coarse` is off."""
        return coarse_scenes(self.root, self.split) if self.coarse else []

    @property
    def train_size(self) -> int:
        """Samples in an epoch; the last ones that fill no batch are left out."""
        return len(self.train_scenes)

    @cached_property
    def _sampling(self) -> ClassUniform:
        fine, labels = len(self.train_scenes), [scene.label for scene in self._all_train_scenes]
        centroids = [np.empty((0, 3), dtype=np.int32)] * fine
        if self.class_uniform:
            centroids = find_centroids(self.root, labels, self.tile_size, self.num_workers, self.cache_index)
        return ClassUniform(centroids[:fine], centroids[fine:], self.class_uniform, self.coarse_until_epoch)

    @property
    def _all_train_scenes(self) -> list[Scene]:
        return self.train_scenes + self.coarse_scenes

    @cached_property
    def pixel_cache(self) -> PixelCache | None:
        """The cache of all scenes, so that every split by city shares it."""
        return self.cache and scene_cache(self.cache, self.root, self._all_train_scenes + self.val_scenes)

    # Lightning's hooks.

    def on_after_batch_transfer(self, batch: tuple, dataloader_idx: int) -> tuple | PaddedBatch:
        if len(batch) == 3 and not isinstance(batch, PaddedBatch):
            images, targets, colours = batch
            batch = colour_on_device(images, colours), targets
        return super().on_after_batch_transfer(batch, dataloader_idx)

    def check(self, stage: str | None = None) -> None:
        """As `ResumableDataModule.check`; also decodes the training labels, and refuses a crop larger than any image.

        The labels are decoded for their centroids: only once if these are cached (`cache_index`), and not at all if
        `class_uniform` is 0. `python -m datamodules.cityscapes ROOT` checks more.
        """
        if stage in ("fit", None):
            self._refuse_large_crop()
        if self.eval_padded and stage in ("validate", None):
            self.per_process("padded_batch_size")
        super().check(stage)

    def per_process(self, name: str) -> int:
        # One by one, see __init__.
        return 1 if name == "eval_batch_size" else super().per_process(name)

    def train_set_key(self) -> dict[str, int | str]:
        """Identifies the training scenes, their sampling and augmentation; does not depend on the root."""
        sampling = f"class_uniform={self.class_uniform}, tile_size={self.tile_size}"
        if self.coarse:
            sampling += f", coarse_until_epoch={self.coarse_until_epoch}"
        return {
            "train_size": self.train_size,
            "training files": self._train_digest,
            "sampling": sampling,
            "augmentation": repr(self.transform),
        }

    def file_sets(self) -> dict[str, FileSet]:
        return {"training": self._file_set(self._all_train_scenes), "validation": self._file_set(self.val_scenes)}

    def _file_set(self, scenes: list[Scene]) -> FileSet:
        files = [os.path.join(self.root, path) for scene in scenes for path in (scene.image, scene.label)]
        names = (f"{scene.city}/{Path(path).name}" for scene in scenes for path in (scene.image, scene.label))
        return FileSet.read(PathTable.pack(names), np.array([*map(file_size, files)]), files.__getitem__)

    def eval_set_key(self) -> dict[str, int | str]:
        """Identifies the evaluation scenes; does not depend on the root."""
        scenes = self.val_scenes
        return {"split": self.split, "images": len(scenes), "files": _digest(scenes), **self.margin_key}

    def validation_key(self) -> dict[str, int | str]:
        """Identifies the scenes of `validate`, whatever their transform: the same as `eval_set_key`."""
        return self.eval_set_key()

    @cached_property
    def _train_digest(self) -> str:
        return _digest(self._all_train_scenes)

    def train_set(self) -> TrainScenes:
        files = SceneFiles(self.root, self._all_train_scenes, self.pixel_cache, self.decode)
        return TrainScenes(files, self._sampling, self.transform, self.seed)

    def val_set(self) -> EvalScenes:
        files = SceneFiles(self.root, self.val_scenes, self.pixel_cache, self.decode)
        return EvalScenes(files, self.margin)

    test_set = val_set

    def predict_transform(self) -> Callable[[Image.Image, str], torch.Tensor]:
        return whole_image

    def _refuse_large_crop(self) -> None:
        crop, factor = self.transform.size, self.transform.scale[1]
        largest = (0, 0)
        for scene in self.train_scenes:
            size = scaled_size(image_size(str(self.root / scene.image)), factor)
            if min(size) >= crop:
                return
            largest = max(largest, size, key=min)
        raise DataError(
            f"`crop_size` is {crop}, larger than any image: scaled by {factor}, the largest has {largest[0]} x"
            f" {largest[1]} pixels",
            todo=f"Set it to at most {min(largest)}, or raise `scale`; every crop would hold padding.",
        )


def _digest(scenes: list[Scene]) -> str:
    names = "\0".join(f"{scene.city}/{Path(scene.image).name}" for scene in scenes)
    return digest_of(os.fsencode(names))
