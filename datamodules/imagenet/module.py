"""ImageNet, and any folder of images in its layout."""

from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from PIL import Image
from pytorch_lightning.utilities.rank_zero import rank_zero_warn

from datamodules.errors import DataError, checked, some
from datamodules.imagenet.datasets import EvalImages, TrainImages, crop_cache
from datamodules.imagenet.labels import ACCEPTED, read_class_labels, read_ground_truth
from datamodules.imagenet.layouts import find_beside, find_split, locate_split
from datamodules.imagenet.splits import hold_out, limit_per_class
from datamodules.imagenet.transforms import (
    FastEvalTransform,
    FastTrainTransform,
    eval_transform,
    train_transform,
    uncropped_transform,
)
from datamodules.loading.cache import PixelCache
from datamodules.loading.decode import decode_rgb
from datamodules.loading.file_set import FileSet, digest_of
from datamodules.loading.index import FileIndex, is_flat, scan_classes, scan_flat
from datamodules.loading.path_table import PathTable
from datamodules.loading.resumable import KeyedLoader, ResumableDataModule, expanded


class ImageNetDataModule(ResumableDataModule):
    """Images in class folders: train/CLASS/*, val/CLASS/*, or the ILSVRC tree with a flat validation folder.

    Batches are (images, targets): after the transfer to the device, images (N, 3, size, size) normalised in the
    Trainer's precision, and targets (N,) int64, IGNORED_TARGET (-1) for the stand-ins that fill the last evaluation
    batches of a multi-process run. `predict` batches are (images, paths), with an empty path for a stand-in.

    With `eval_padded`, `validate` and `predict` serve PaddedBatch(images, targets or paths, sizes) instead: images at
    their own aspect ratio (N, 3, H, W), each at the top left, 0 beyond it, H and W the greatest of the batch; and sizes
    (N, 2) int64, height and width of each. `fit` and `test` crop in any case.

    Args:
        root: Folder that holds train/ and val/ (or test/), also below Data/CLS-LOC/ as ILSVRC packs them.
        batch_size: As of ResumableDataModule, and so are the further arguments, `shared`.
        image_size: Side of the square that the network sees, in pixels.
        eval_resize: Length of the shorter side before the centre crop of an evaluation image, in pixels; null keeps it.
        train_crop: "random_resized" cuts a random box and resizes it; "random" cuts image_size pixels without resizing.
        crop_scale: Least and greatest area of a random resized box, as a share of the image.
        crop_ratio: Least and greatest width / height of a random resized box.
        flip: Whether to mirror training images left to right with probability 0.5.
        val_from_train: Training images to validate on instead of val/, a number or a share below 1; `test` uses val/.
        images_per_class: Most training images to use of each class, a fixed draw; null uses all.
        val_ground_truth: Labels of a flat validation folder; null looks for LOC_val_solution.csv beside the data.
        val_synsets: Synsets in the order of ILSVRC2012_ID, one a line, for a val_ground_truth of numbers.
        padded_side: Greatest height and width of such an image, in pixels; a longer side loses both ends.

    Raises:
        DataError: settings contradict one another.
    """

    targets_of = "image"

    def __init__(
        self,
        root: str,
        batch_size: int = 256,
        image_size: int = 224,
        eval_resize: int | None = 256,
        train_crop: Literal["random_resized", "random"] = "random_resized",
        crop_scale: tuple[float, float] = (0.08, 1.0),
        crop_ratio: tuple[float, float] = (3 / 4, 4 / 3),
        flip: bool = True,
        val_from_train: int | float = 0,
        images_per_class: int | None = None,
        val_ground_truth: str | None = None,
        val_synsets: str | None = None,
        padded_side: int = 512,
        **shared: Any,
    ):
        super().__init__(root=root, batch_size=batch_size, **shared)
        self.val_from_train = val_from_train
        self.images_per_class = images_per_class
        self.val_ground_truth = expanded(val_ground_truth)
        self.val_synsets = expanded(val_synsets)
        self.train_transform = train_transform(
            train_crop, image_size, tuple(crop_scale), tuple(crop_ratio), flip, bool(self.fast)
        )
        self.image_size = image_size
        self.eval_transform = eval_transform(image_size + 2 * self.margin, eval_resize, bool(self.fast))
        self.whole_transform = uncropped_transform(image_size, eval_resize, padded_side)

    # The files and labels; each part is read from the disk on first use.

    @cached_property
    def class_folders(self) -> tuple[str, ...]:
        """Sorted names of the class folders of train/, or else of val/; targets are positions here."""
        if locate_split(self.root, "train") is not None:
            return self._train_files.classes
        folder = find_split(self.root, "val")
        if is_flat(folder):
            find_split(self.root, "train")
        return scan_classes(folder).classes

    @cached_property
    def class_names(self) -> tuple[str, ...]:
        """Words for the classes from LOC_synset_mapping.txt if the data have that file, else the folders' names."""
        labels = read_class_labels(find_beside(self.root, "LOC_synset_mapping.txt"))
        return tuple(labels.get(folder, folder) for folder in self.class_folders)

    @property
    def num_classes(self) -> int:
        return len(self.class_folders)

    @property
    def train_size(self) -> int:
        """Training images, without those held out for validation."""
        return len(self._train_split[0])

    @cached_property
    def _train_files(self) -> FileIndex:
        return scan_classes(find_split(self.root, "train"))

    @cached_property
    def _train_split(self) -> tuple[np.ndarray, np.ndarray]:
        targets, classes = self._train_files.targets, self._train_files.classes
        kept, held = np.arange(len(targets)), np.arange(0)
        if self.val_from_train:
            kept, held = hold_out(targets, classes, self.val_from_train)
        if self.images_per_class is not None:
            kept = kept[limit_per_class(targets[kept], classes, self.images_per_class)]
        return kept, held

    @cached_property
    def _val_files(self) -> FileIndex:
        folder = find_split(self.root, "val")
        return (scan_flat if is_flat(folder) else scan_classes)(folder)

    @cached_property
    def _val_targets(self) -> np.ndarray:
        files = self._val_files
        if files.classes:
            return _renumber(files.classes, self.class_folders, files.folder)[files.targets]
        truth = self.val_ground_truth or find_beside(self.root, "LOC_val_solution.csv")
        if truth is None:
            raise DataError(
                "holds images without class folders", where=files.folder, todo=f"Set `val_ground_truth`. {ACCEPTED}"
            )
        labels = read_ground_truth(truth, [files.files[i] for i in range(len(files))], self.val_synsets)
        names, inverse = np.unique(labels, return_inverse=True)
        return _renumber(names.tolist(), self.class_folders, truth)[inverse]

    # Lightning's hooks.

    def check(self, stage: str | None = None) -> None:
        for name in ("val_ground_truth", "val_synsets"):
            path = getattr(self, name)
            checked(name, path and str(path), path is None or path.is_file(), "a file that exists, or null")
        super().check(stage)
        if stage == "fit":
            _, numbers, targets = self._validation_images
            missing = np.setdiff1d(np.arange(self.num_classes), targets[numbers])
            if len(missing):
                names = some(self.class_folders[number] for number in missing)
                rank_zero_warn(f"{len(missing)} training classes have no validation image: {names}")

    def predict_dataloader(self) -> KeyedLoader:
        return self.make_eval_loader("predict", self._predict_set(), self.eval_padded)

    def train_set_key(self) -> dict[str, int | str]:
        """Identifies the training images and their augmentation; does not depend on the root."""
        return {
            "train_size": self.train_size,
            "training files": self._train_digest,
            "augmentation": repr(self.train_transform),
        }

    @cached_property
    def _train_digest(self) -> str:
        # Of names and arrays, not of pixels, like the other digests here: reading every image would delay each start.
        return digest_of(self._train_files.files.data, self._train_files.targets, self._train_split[0])

    def file_sets(self) -> dict[str, FileSet]:
        sets = {"training": (self._train_files, self._train_files.targets)}
        if not self.val_from_train:
            sets["validation"] = (self._val_files, self._val_targets)
        return {
            name: FileSet.read(files.files, files.sizes, files.path, targets) for name, (files, targets) in sets.items()
        }

    def eval_set_key(self) -> dict[str, int | str]:
        """Identifies the images of `test`, their classes and transform; does not depend on the root."""
        digest = digest_of(self._val_files.files.data, self._val_targets)
        key = {"images": len(self._val_files), "files": digest, "transform": repr(self.eval_transform)}
        return {**key, **self.margin_key}

    def eval_files(self) -> tuple[Path, list[str], list[int]]:
        """The folder of the images of `test`, their paths relative to it, and their targets, in order."""
        files = self._val_files
        return files.folder, [files.files[number] for number in range(len(files))], self._val_targets.tolist()

    def train_set(self) -> TrainImages:
        transform, selection = self.train_transform, self._train_split[0]
        return TrainImages(self._train_files, selection, transform, self.seed, self._decode(transform))

    def validation_key(self) -> dict[str, int | str]:
        """Identifies the images of `validate` and their classes, not their transform; does not depend on the root."""
        files, numbers, targets = self._validation_images
        return {"images": len(numbers), "files": digest_of(files.files.data, numbers, targets), **self.margin_key}

    @property
    def _validation_images(self) -> tuple[FileIndex, np.ndarray, np.ndarray]:
        if self.val_from_train:
            return self._train_files, self._train_split[1], self._train_files.targets
        return self._reported

    def val_set(self) -> EvalImages:
        if self.validates_padded:
            return EvalImages(*self._validation_images, self.whole_transform)
        return self._crops(self._validation_images, len(self._val_files) if self.val_from_train else 0)

    def test_set(self) -> EvalImages:
        return self._crops(self._reported, 0)

    def _crops(self, images: tuple[FileIndex, np.ndarray, np.ndarray], first: int) -> EvalImages:
        transform = self.eval_transform
        return EvalImages(*images, transform, self._decode(transform), self.pixel_cache, first)

    def _decode(self, transform: Any) -> Callable[[str], Any]:
        """The decoder for a transform: transforms that do not resize have no fast form and take PIL images."""
        return self.decode if isinstance(transform, (FastTrainTransform, FastEvalTransform)) else decode_rgb

    @cached_property
    def pixel_cache(self) -> PixelCache | None:
        """The cache of evaluation crops: first the images of `test`, then those held out of training."""
        if self.cache is None:
            return None
        sets = [self._reported, self._validation_images][: 2 if self.val_from_train else 1]
        paths = PathTable.pack(files.path(i) for files, numbers, _ in sets for i in numbers.tolist())
        return crop_cache(self.cache, paths, self.eval_transform)

    @property
    def _reported(self) -> tuple[FileIndex, np.ndarray, np.ndarray]:
        return self._val_files, np.arange(len(self._val_files)), self._val_targets

    def predict_transform(self) -> Callable[[Image.Image, str], torch.Tensor]:
        return self.whole_transform if self.eval_padded else self.eval_transform


def _renumber(classes: Any, known: tuple[str, ...], where: Path) -> np.ndarray:
    position = {name: index for index, name in enumerate(known)}
    if unknown := [name for name in classes if name not in position]:
        raise DataError(
            f"has {len(unknown)} classes that the training set lacks: {some(unknown)}",
            where=where,
            todo="Both sets must name their classes alike.",
        )
    return np.array([position[name] for name in classes], dtype=np.int64)
