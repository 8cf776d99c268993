"""What stands and moves in a drawn street, as tables of simple shapes in cm from the middle of its foot."""

from typing import NamedTuple

Colour = tuple[int, int, int]

# Cityscapes' label ids are the positions here (mcordts/cityscapesScripts, helpers/labels.py).
LABELS = (
    *("unlabeled", "ego vehicle", "rectification border", "out of roi", "static", "dynamic", "ground", "road"),
    *("sidewalk", "parking", "rail track", "building", "wall", "fence", "guard rail", "bridge", "tunnel", "pole"),
    *("polegroup", "traffic light", "traffic sign", "vegetation", "terrain", "sky", "person", "rider", "car", "truck"),
    *("bus", "caravan", "trailer", "train", "motorcycle", "bicycle"),
)

# Colours that each thing draws for itself.
_CLOTHES = ((44, 54, 86), (122, 40, 44), (52, 52, 52), (166, 150, 120), (44, 92, 82), (186, 186, 188), (178, 118, 40))
PALETTES: dict[str, tuple[Colour, ...]] = {
    "paint": ((176, 178, 182), (28, 30, 36), (150, 26, 30), (32, 62, 132), (216, 216, 212), (84, 90, 96), (40, 84, 66)),
    "livery": ((206, 164, 36), (188, 48, 40), (226, 222, 212)),
    "rear or front": ((188, 38, 34), (188, 38, 34), (244, 238, 206)),
    "top": _CLOTHES,
    "legs": _CLOTHES[:3],
    "skin": ((214, 172, 146), (162, 116, 88), (232, 196, 170)),
    "lit": ((238, 54, 40), (246, 190, 40), (52, 216, 116)),
}
_DARK, _GLASS, _STEEL, _WHITE, _RED = (32, 32, 36), (52, 64, 74), (104, 106, 108), (236, 234, 228), (204, 36, 40)


class Part(NamedTuple):
    """One shape: a method of ImageDraw, its colour or palette, and points (to the right, upwards).

    A rectangle and an ellipse have two points, upper left and lower right. `label` where it is not the thing's name.
    """

    shape: str
    colour: Colour | str
    points: tuple[tuple[int, int], ...]
    label: str | None = None
    thick: int = 0


def _part(shape: str, colour: Colour | str, *numbers: int, label: str | None = None, thick: int = 0) -> Part:
    return Part(shape, colour, tuple(zip(numbers[::2], numbers[1::2], strict=True)), label, thick)


def _pair(shape: str, colour: Colour | str, left: int, high: int, right: int, low: int) -> tuple[Part, Part]:
    """A shape on the right, and its mirror image on the left."""
    return _part(shape, colour, left, high, right, low), _part(shape, colour, -right, high, -left, low)


def _block(colour: Colour | str, half: int, high: int) -> tuple[Part, ...]:
    """The face of a large vehicle, on two wheels."""
    face = _part("rectangle", colour, -half, high, half, 20)
    return (
        face,
        _part("rectangle", (44, 44, 46), -half, 44, half, 16),
        *_pair("rectangle", _DARK, half - 50, 46, half, 0),
    )


def _cyclist(seat: int) -> tuple[Part, ...]:
    return (
        _part("line", "legs", -12, seat, 16, seat - 34, 4, 26, label="rider", thick=16),
        _part("polygon", "top", -28, seat - 4, 2, seat - 4, 26, seat + 52, -6, seat + 62, label="rider"),
        _part("line", "top", 14, seat + 48, 42, seat + 10, label="rider", thick=11),
        _part("ellipse", "skin", 3, seat + 92, 29, seat + 58, label="rider"),
    )


def _cycle(label: str, colour: Colour | str, apart: int, radius: int, tyre: int, frame: Part) -> tuple[Part, ...]:
    wheels = _pair("ellipse", _DARK, apart - radius, 2 * radius, apart + radius, 0)
    inner = _pair("ellipse", (86, 88, 90), apart - radius + tyre, 2 * radius - tyre, apart + radius - tyre, tyre)
    handlebar = _part("line", colour, apart, radius, apart - 18, 100, thick=8)
    return tuple(part._replace(label=label) for part in (*wheels, *inner, frame, handlebar))


_BICYCLE = _cycle(
    "bicycle", _DARK, 56, 34, 8, _part("line", "livery", -56, 34, -14, 78, 42, 82, 0, 32, -14, 90, thick=8)
)
_POLE = _part("rectangle", _STEEL, -6, 300, 6, 0, label="pole")

# Vehicles have depth: their first part is repeated from far, where it has this percentage of its size, to near.
DEPTH = {"car": 68, "truck": 55, "bus": 50, "train": 35, "caravan": 65, "trailer": 72}
OBJECTS: dict[str, tuple[Part, ...]] = {
    "car": (
        _part("polygon", "paint", -90, 12, 90, 12, 93, 60, 84, 88, 62, 145, -62, 145, -84, 88, -93, 60),
        *_pair("rectangle", _DARK, 62, 28, 88, 0),
        _part("polygon", _GLASS, -72, 88, 72, 88, 56, 138, -56, 138),
        *_pair("rectangle", "rear or front", 60, 80, 84, 62),
        _part("rectangle", _WHITE, -26, 58, 26, 44),
    ),
    "truck": (
        *_block("paint", 125, 350),
        _part("rectangle", _STEEL, -3, 342, 3, 60),
        _part("rectangle", _RED, -118, 58, 118, 46),
    ),
    "bus": (
        *_block("livery", 127, 300),
        _part("rectangle", _GLASS, -112, 240, 112, 130),
        _part("rectangle", (236, 150, 40), -70, 282, 70, 256),
        *_pair("rectangle", _WHITE, 72, 88, 96, 64),
    ),
    "train": (
        *_block("livery", 132, 345),
        _part("polygon", _GLASS, -116, 150, 116, 150, 104, 262, -104, 262),
        _part("rectangle", (28, 70, 138), -132, 120, 132, 96),
        *_pair("ellipse", _WHITE, 67, 83, 93, 57),
        _part("line", _DARK, 0, 345, 0, 430, thick=8),
    ),
    "caravan": (*_block((226, 224, 216), 110, 255), _part("rectangle", _GLASS, -70, 205, 70, 130)),
    "trailer": (*_block((132, 116, 88), 95, 120), _part("rectangle", _RED, -95, 56, 95, 45)),
    "person": (
        _part("line", "legs", 0, 84, 20, 2, thick=17),
        _part("line", "legs", 0, 84, -18, 2, thick=17),
        _part("polygon", "top", -19, 78, 19, 78, 30, 138, -30, 138),
        _part("ellipse", "skin", -13, 176, 13, 142),
    ),
    "bicycle": _BICYCLE,
    "rider": (*_BICYCLE, *_cyclist(92)),
    "motorcycle": (
        *_cycle("motorcycle", _DARK, 66, 31, 17, _part("polygon", _RED, -74, 34, 58, 34, 62, 84, 10, 92, -80, 80)),
        *_cyclist(88),
    ),
    "pole": (
        _part("rectangle", _STEEL, -7, 520, 7, 0),
        _part("line", _STEEL, -100, 540, 0, 520, 100, 540, thick=9),
    ),
    "polegroup": (
        *_pair("rectangle", _STEEL, 12, 300, 22, 0),
        *_pair("rectangle", _STEEL, 42, 300, 52, 0),
        _part("rectangle", _STEEL, -52, 284, 52, 270),
    ),
    "traffic light": (
        _POLE,
        _part("rectangle", (26, 30, 28), -22, 380, 22, 270),
        _part("ellipse", "lit", -15, 360, 15, 330),
    ),
    "traffic sign": (_POLE, _part("ellipse", _RED, -40, 300, 40, 220), _part("ellipse", _WHITE, -27, 287, 27, 233)),
    "warning sign": (
        _POLE,
        _part("polygon", _RED, -46, 224, 46, 224, 0, 304, label="traffic sign"),
        _part("polygon", _WHITE, -26, 235, 26, 235, 0, 281, label="traffic sign"),
    ),
    # A bin, and a pushchair.
    "static": (_part("rectangle", (66, 72, 62), -32, 108, 32, 0), _part("rectangle", _DARK, -36, 112, 36, 98)),
    "dynamic": (
        _part("polygon", (112, 66, 116), -42, 34, 36, 34, 46, 92, -26, 74),
        _part("line", _DARK, -26, 70, -58, 104, thick=8),
        *_pair("ellipse", _DARK, 12, 32, 44, 0),
    ),
}
