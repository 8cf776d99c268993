"""Cityscapes' label ids, and the 19 classes that are trained and scored.

Label files hold ids 0 to 33, of which 19 are classes and the rest ignored (mcordts/cityscapesScripts,
helpers/labels.py). The list's last id is -1, the licence plate; in a file of 8 bits it is 255 and ignored, too.
"""

from collections.abc import Callable
from typing import NamedTuple, TypeVar

import numpy as np
from PIL import Image

from datamodules.errors import DataError, some
from datamodules.loading.decode import read_image

_T = TypeVar("_T")

# Target value of pixels that losses and metrics ignore.
IGNORED_PIXEL = 255


class _Class(NamedTuple):
    name: str
    label_id: int
    colour: tuple[int, int, int]


_CLASSES = (
    _Class("road", 7, (128, 64, 128)),
    _Class("sidewalk", 8, (244, 35, 232)),
    _Class("building", 11, (70, 70, 70)),
    _Class("wall", 12, (102, 102, 156)),
    _Class("fence", 13, (190, 153, 153)),
    _Class("pole", 17, (153, 153, 153)),
    _Class("traffic light", 19, (250, 170, 30)),
    _Class("traffic sign", 20, (220, 220, 0)),
    _Class("vegetation", 21, (107, 142, 35)),
    _Class("terrain", 22, (152, 251, 152)),
    _Class("sky", 23, (70, 130, 180)),
    _Class("person", 24, (220, 20, 60)),
    _Class("rider", 25, (255, 0, 0)),
    _Class("car", 26, (0, 0, 142)),
    _Class("truck", 27, (0, 0, 70)),
    _Class("bus", 28, (0, 60, 100)),
    _Class("train", 31, (0, 80, 100)),
    _Class("motorcycle", 32, (0, 0, 230)),
    _Class("bicycle", 33, (119, 11, 32)),
)

CLASS_NAMES = tuple(entry.name for entry in _CLASSES)
# Red, green and blue of each class in the field's figures.
CLASS_COLOURS = tuple(entry.colour for entry in _CLASSES)
# The label id of each class; the benchmark's evaluator expects predictions in label ids.
LABEL_IDS = tuple(entry.label_id for entry in _CLASSES)
NUM_LABEL_IDS = 34

# Maps a label id to its class, or to 255 if it has none; uint8 (256,).
CLASS_OF_LABEL = np.full(256, IGNORED_PIXEL, dtype=np.uint8)
CLASS_OF_LABEL[list(LABEL_IDS)] = np.arange(len(LABEL_IDS))


def decode_classes(path: str) -> np.ndarray:
    """Classes 0 to 18 and 255 of a label file, uint8 (H, W).

    Raises:
        DataError: the file is missing, truncated, no PNG with one channel of 8 bits, or holds a value that is no id.
    """
    label_ids = _read(path, np.asarray)
    if label_ids.size and label_ids.max() >= NUM_LABEL_IDS:
        unknown = [i for i in np.unique(label_ids).tolist() if NUM_LABEL_IDS <= i != IGNORED_PIXEL]
        if unknown:
            raise DataError(
                f"holds {len(unknown)} values that are no label id: {some(unknown)}; allowed are 0 to 33, and 255",
                where=path,
                todo="It must be a `..._labelIds.png`, not a `..._color.png`, `..._instanceIds.png` or a file of"
                " another numbering.",
            )
    return CLASS_OF_LABEL.take(label_ids)


def label_size(path: str) -> tuple[int, int]:
    """(width, height) of a label file; raises DataError as `decode_classes`, as far as the header shows."""
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
    """Format and raw mode, such as "PNG L"; a grey PNG of 4 bits has another raw mode, and Pillow scales it by 17."""
    arguments = image.tile[0].args if image.tile else image.mode
    return f"{image.format} {arguments if isinstance(arguments, str) else arguments[0]}"
