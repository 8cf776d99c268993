"""A small set of pictures in ImageNet's layout, drawn by code: `python -m datamodules.samples.imagenet`.

It lets the real loader run without a download. The classes are shapes of any colour, size and rotation anywhere in the
picture, also cut by the border. Results on it say nothing about natural images.

The same version of Pillow writes the same files.
"""

import math
from functools import partial
from pathlib import Path

from PIL import Image, ImageChops, ImageDraw

from datamodules.samples.draw import Draw, roughened
from datamodules.samples.folder import command, make_folder

DEFAULT_ROOT = Path(__file__).resolve().parents[2] / "data" / "sample_imagenet"

# Part of every picture's key. Raise it when a picture changes: trees made before are refused then.
VERSION = 2

_SHORTEST, _LONGEST = 80, 120
# Supersampling factor of each side, for smooth edges.
_FINE = 4


def _box(left: int, low: int, right: int, high: int) -> list[tuple[int, int]]:
    return [(left, low), (right, low), (right, high), (left, high)]


# The parts of each shape, in units of 1/1024 of its radius, to the right and upwards: a list is a polygon's corners, a
# tuple a disc's centre and radius; a negative radius cuts a hole.
SHAPES: dict[str, list] = {
    "disc": [(0, 0, 880)],
    "ring": [(0, 0, 960), (0, 0, -560)],
    "square": [_box(-760, -760, 760, 760)],
    "triangle": [[(0, 1120), (-970, -560), (970, -560)]],
    "cross": [_box(-940, -280, 940, 280), _box(-280, -940, 280, 940)],
    "star": [
        [
            *((0, 1100), (-247, 340), (-1046, 340), (-399, -130), (-647, -890)),
            *((0, -420), (647, -890), (399, -130), (1046, 340), (247, 340)),
        ]
    ],
    "crescent": [(0, 0, 960), (480, 0, -780)],
    "heart": [[(0, 640), (800, -160), (0, -960), (-800, -160)], (-400, 240, 566), (400, 240, 566)],
    "arrow": [[(0, 980), (920, 60), (-920, 60)], _box(-250, -960, 250, 60)],
    "bars": [_box(-850, low, 850, low + 340) for low in (-850, -170, 510)],
}

_CLASS_LIST = "LOC_synset_mapping.txt"
# WordNet offsets of ImageNet begin with 0 or 1, so no real synset has these names.
_FOLDERS = {f"n9000{number:04d}": name for number, name in enumerate(SHAPES, 1)}


def make(root: Path = DEFAULT_ROOT, train_per_class: int = 120, val_per_class: int = 40) -> Path:
    """Draw pictures of 10 shapes in ImageNet's layout unless they exist in this version and size.

    Returns the root, with train/, val/ and LOC_synset_mapping.txt. Raises DataError if the root holds something else.
    """
    expected = {"version": VERSION, "train_per_class": train_per_class, "val_per_class": val_per_class}
    return make_folder(Path(root), expected, partial(_write_tree, train_per_class, val_per_class))


def _write_tree(train_per_class: int, val_per_class: int, root: Path) -> None:
    for split, count in (("train", train_per_class), ("val", val_per_class)):
        for position, (folder, name) in enumerate(_FOLDERS.items()):
            (root / split / folder).mkdir(parents=True)
            for number in range(count):
                file = root / split / folder / f"{folder}_{split}_{number:04d}.JPEG"
                _save(draw(name, split, number), file, odd=position if number == 0 else None)
    (root / _CLASS_LIST).write_text("".join(f"{folder} {name}\n" for folder, name in _FOLDERS.items()))


def _save(picture: Image.Image, file: Path, odd: int | None) -> None:
    """Saves a JPEG. The first images of three classes become grey, CMYK, and a PNG named JPEG, as some in ImageNet."""
    if odd == 2:
        picture.save(file, format="PNG", compress_level=0)
    else:
        picture.convert({0: "L", 1: "CMYK"}.get(odd, "RGB")).save(file, format="JPEG", quality=88)


def draw(name: str, split: str, number: int) -> Image.Image:
    """The RGB picture of a key, each side from 80 to 120 pixels.

    Args:
        name: a key of `SHAPES`.
        split: "train" or "val".
        number: which picture of the class.
    """
    random = Draw("sample", VERSION, name, split, number)
    size = width, height = random.between(_SHORTEST, _LONGEST), random.between(_SHORTEST, _LONGEST)
    ground, front = _two_colours(random)
    other = tuple(min(max(channel + random.between(-30, 30), 0), 255) for channel in ground)
    picture = Image.new("RGB", size, ground)
    fine = random.noise(size, random.between(4, 9))
    picture.paste(other, mask=Image.blend(_pattern(random, size), fine, 0.25))
    for _ in range(random.between(0, 3)):
        # Clutter: a short bar, which is no class by itself.
        thin = random.between(60, 200)
        place = random.between(0, width), random.between(0, height), random.between(6, 20), random.between(0, 63)
        picture.paste(_colour(random), mask=_mask(size, [_box(-1000, -thin, 1000, thin)], *place))
    radius = min(size) * random.between(30, 48) // 100
    # The centre keeps off the outermost 15 % of the picture, so that the border cuts off less than half of the shape.
    place = width * random.between(15, 85) // 100, height * random.between(15, 85) // 100, radius
    paint = Image.new("RGB", size, front)
    paint = roughened(paint, random.noise(size, random.between(8, 30)), random.between(10, 30))
    picture.paste(paint, mask=_mask(size, SHAPES[name], *place, random.between(-7, 7)))
    return roughened(picture, random.noise(size, 1), random.between(2, 10))


def _colour(random: Draw) -> tuple[int, int, int]:
    """A random colour, a third of the way towards grey: full saturation everywhere hurts the eye."""
    colour = [random.between(10, 245) for _ in range(3)]
    return tuple((2 * channel + _grey(colour)) // 3 for channel in colour)


def _grey(colour: tuple[int, ...] | list[int]) -> int:
    red, green, blue = colour
    return (77 * red + 150 * green + 29 * blue) >> 8


def _two_colours(random: Draw) -> tuple[tuple, tuple]:
    """Random colours of ground and shape; the shape is at least 100 of 255 grey values lighter.

    When either could be the lighter one, a small network learned too slowly for a demo (50 % instead of 67 %).
    """
    while True:
        darker, lighter = sorted((_colour(random), _colour(random)), key=_grey)
        if _grey(lighter) - _grey(darker) >= 100:
            return darker, lighter


def _pattern(random: Draw, size: tuple[int, int]) -> Image.Image:
    """A grey image: clouds, a slope, stripes or checks."""
    kind, turn, period = random.between(0, 3), random.between(0, 63), random.between(60, 220)
    if kind < 2:
        return random.noise(size, random.between(14, 40) if kind else max(size))
    # 1024 units are 160 pixels, so that the stripes cover the picture at any angle.
    stripes = [_box(-1024, low, 1024, low + period // 2) for low in range(-1024, 1024, period)]
    places = [(size[0] // 2, size[1] // 2, 160, turn + quarter) for quarter in (0, 16)]
    across, along = (_mask(size, stripes, *place) for place in places)
    return across if kind == 2 else ImageChops.difference(across, along)


def _mask(size: tuple[int, int], parts: list, x: int, y: int, radius: int, turn: int) -> Image.Image:
    """A grey image, 255 where it is covered by a shape at pixel (x, y), rotated by turn/64 of a circle."""
    # Rounded to 14 bits, because the last bit of a sine depends on the maths library.
    sine, cosine = (round(function(math.tau * turn / 64) * 2**14) for function in (math.sin, math.cos))
    image = Image.new("L", (size[0] * _FINE, size[1] * _FINE))
    pen, unit = ImageDraw.Draw(image), radius * _FINE

    def place(u: int, v: int) -> tuple[int, int]:
        return x * _FINE + ((u * cosine - v * sine) * unit >> 24), y * _FINE - ((u * sine + v * cosine) * unit >> 24)

    for part in parts:
        if isinstance(part, list):
            pen.polygon([place(*corner) for corner in part], fill=255)
        else:
            (column, row), reach = place(*part[:2]), abs(part[2]) * unit >> 10
            pen.ellipse((column - reach, row - reach, column + reach, row + reach), fill=255 if part[2] > 0 else 0)
    return image.reduce(_FINE)


if __name__ == "__main__":
    command(make, DEFAULT_ROOT)
