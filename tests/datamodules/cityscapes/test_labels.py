import numpy as np
import pytest
from cityscapesscripts.helpers.labels import labels
from PIL import Image

from datamodules import DataError
from datamodules.cityscapes.labels import (
    CLASS_COLOURS,
    CLASS_NAMES,
    CLASS_OF_LABEL,
    LABEL_IDS,
    decode_classes,
    label_size,
)


def test_classes_are_those_of_cityscapesscripts():
    theirs = {label.trainId: label for label in labels if not label.ignoreInEval}
    assert sorted(theirs) == list(range(19))
    assert tuple(theirs[number].name for number in range(19)) == CLASS_NAMES
    assert tuple(theirs[number].id for number in range(19)) == LABEL_IDS
    assert tuple(theirs[number].color for number in range(19)) == CLASS_COLOURS


def test_every_label_id_becomes_the_train_id_of_cityscapesscripts():
    expected = np.full(256, 255)
    for label in labels:
        # Id -1 is 255 in a file of 8 bits; its train id -1 is ignored like 255.
        expected[label.id % 256] = label.trainId % 256
    assert CLASS_OF_LABEL.dtype == np.uint8
    assert CLASS_OF_LABEL.tolist() == expected.tolist()


def save(path, pixels, **options):
    Image.fromarray(pixels).save(path, **options)
    return str(path)


def test_ids_out_of_range_are_named(tmp_path):
    ids = np.zeros((4, 5), dtype=np.uint8)
    ids[0, 0], ids[1, 1], ids[2, 2], ids[3, 3] = 33, 255, 34, 254
    path = save(tmp_path / "odd.png", ids)
    with pytest.raises(DataError, match=r"odd\.png: holds 2 values that are no label id: 34, 254; allowed are 0 to 33"):
        decode_classes(path)
    ids[2, 2] = ids[3, 3] = 7
    classes = decode_classes(save(tmp_path / "good.png", ids))
    assert (classes[0, 0], classes[1, 1], classes[2, 2], classes[0, 1]) == (18, 255, 0, 255)
    assert label_size(str(tmp_path / "good.png")) == (5, 4)


@pytest.mark.parametrize(
    ("name", "found"),
    [("rgb", "PNG RGB"), ("deep", "PNG I;16B"), ("four", "PNG L;4"), ("palette", "PNG P"), ("lossy", "JPEG L")],
)
def test_other_pixel_formats_are_named(name, found, tmp_path):
    ids = np.full((6, 6), 7, dtype=np.uint8)
    image = Image.fromarray(ids)
    path = tmp_path / f"{name}.png"
    {
        "rgb": lambda: image.convert("RGB").save(path),
        "deep": lambda: Image.fromarray(ids.astype(np.uint16)).save(path),
        "four": lambda: image.save(path, bits=4),
        "palette": lambda: image.convert("P").save(path),
        "lossy": lambda: image.save(path, format="JPEG"),
    }[name]()
    for read in (decode_classes, label_size):
        with pytest.raises(DataError, match=rf"{name}\.png: is {found}, not a PNG with one channel of 8 bits"):
            read(str(path))
