from PIL import Image, ImageChops

from datamodules.samples.imagenet import draw


def test_odd_formats_are_in_both_splits(sample_tree):
    for split in ("train", "val"):
        kinds = set()
        for path in (sample_tree / split).rglob("*.JPEG"):
            with Image.open(path) as image:
                kinds.add((image.format, image.mode))
        assert kinds == {("JPEG", "RGB"), ("JPEG", "L"), ("JPEG", "CMYK"), ("PNG", "RGB")}


def test_pictures_vary_in_size_and_differ():
    pictures = [draw("star", "train", number) for number in range(20)]
    assert len({picture.size for picture in pictures}) > 15
    assert all(80 <= side <= 120 for picture in pictures for side in picture.size)
    assert ImageChops.difference(
        draw("star", "val", 0).crop((0, 0, 80, 80)), pictures[0].crop((0, 0, 80, 80))
    ).getbbox()
