"""A street scene and its label ids, drawn with Pillow: road in perspective, houses, trees, traffic."""

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from datamodules.samples.draw import Draw, roughened

# Part of every scene's key. Raise it when a scene changes: trees made before are refused then.
VERSION = 5

# Cityscapes' label ids are the positions here (mcordts/cityscapesScripts, helpers/labels.py).
LABELS = (
    *("unlabeled", "ego vehicle", "rectification border", "out of roi", "static", "dynamic", "ground", "road"),
    *("sidewalk", "parking", "rail track", "building", "wall", "fence", "guard rail", "bridge", "tunnel", "pole"),
    *("polegroup", "traffic light", "traffic sign", "vegetation", "terrain", "sky", "person", "rider", "car", "truck"),
    *("bus", "caravan", "trailer", "train", "motorcycle", "bicycle"),
)

# The camera's height above the road in cm: what reaches up to the horizon is as tall.
_CAMERA = 130

Colour = tuple[int, int, int]
_PAINTS = ((176, 178, 182), (28, 30, 36), (150, 26, 30), (32, 62, 132), (216, 216, 212), (40, 84, 66), (206, 164, 36))
_FACADES = ((196, 182, 156), (164, 104, 82), (176, 170, 166), (206, 196, 178), (142, 122, 108), (186, 156, 124))
_DARK, _GLASS, _STEEL, _WHITE = (32, 32, 36), (52, 64, 74), (104, 106, 108), (228, 226, 220)
_RED, _SKIN, _LIT, _GREEN = (204, 36, 40), (214, 172, 146), (246, 190, 40), (66, 96, 46)

# A shape of ImageDraw, its colour (None: the one drawn for the thing), and cm from the foot's middle: left, top, right,
# bottom; last the label where it is not the thing's name.
_R, _E = "rectangle", "ellipse"


def _vehicle(half: int, high: int, colour: Colour | None, band: Colour, top: int, low: int) -> tuple:
    """The face of a large vehicle on its wheels, with a band across: windows, or lamps."""
    wheels, stripe = (_R, _DARK, 15 - half, 46, half - 15, 0), (_R, band, 15 - half, top, half - 15, low)
    return (_R, colour, -half, high, half, 20), wheels, stripe


def _cycle(label: str, thick: int) -> tuple:
    frame = (_R, None, -62, 84, 56, 84 - thick, label)
    return (_E, _DARK, -90, 68, -22, 0, label), (_E, _DARK, 22, 68, 90, 0, label), frame


_CYCLIST = (_R, _STEEL, -24, 152, 24, 62, "rider"), (_E, _SKIN, -16, 186, 16, 150, "rider")
_POLE = (_R, _STEEL, -6, 300, 6, 0, "pole")
_LEAVES = (
    (-90, 430, _GREEN),
    (80, 420, (56, 82, 40)),
    (0, 470, (60, 88, 42)),
    (-50, 550, (84, 112, 56)),
    (60, 530, _GREEN),
)
_OBJECTS: dict[str, tuple] = {
    "car": ((_R, None, -90, 92, 90, 14), (_R, None, -66, 145, 66, 80), *_vehicle(84, 90, None, _RED, 80, 64)[1:]),
    "truck": _vehicle(125, 350, None, _STEEL, 342, 60),
    "bus": _vehicle(127, 300, None, _GLASS, 240, 130),
    "train": _vehicle(132, 345, _RED, _GLASS, 262, 150),
    "caravan": _vehicle(110, 255, _WHITE, _GLASS, 205, 130),
    "trailer": _vehicle(95, 120, (132, 116, 88), _RED, 56, 45),
    "person": ((_R, _DARK, -16, 84, 16, 0), (_R, None, -27, 140, 27, 78), (_E, _SKIN, -14, 178, 14, 138)),
    "bicycle": _cycle("bicycle", 22),
    "rider": (*_cycle("bicycle", 22), *_CYCLIST),
    "motorcycle": (*_cycle("motorcycle", 58), *_CYCLIST),
    "pole": ((_R, _STEEL, -7, 520, 7, 0), (_R, _STEEL, -90, 536, 90, 522)),
    "polegroup": ((_R, _STEEL, -30, 300, -14, 0), (_R, _STEEL, 14, 300, 30, 0), (_R, _STEEL, -30, 284, 30, 262)),
    "traffic light": (_POLE, (_R, _DARK, -24, 380, 24, 270), (_E, _LIT, -16, 362, 16, 330)),
    "traffic sign": (_POLE, (_E, _RED, -40, 300, 40, 220), (_E, _WHITE, -27, 287, 27, 233)),
    "vegetation": (
        (_R, (84, 66, 48), -16, 420, 16, 0),
        *((_E, hue, x - 90, y + 90, x + 90, y - 90) for x, y, hue in _LEAVES),
    ),
    # A bin, and a pushchair.
    "static": ((_R, (66, 72, 62), -34, 112, 34, 0), (_R, _DARK, -36, 112, 36, 98)),
    "dynamic": ((_R, _RED, -50, 96, 42, 34), (_E, _DARK, -44, 34, -10, 0), (_E, _DARK, 10, 34, 44, 0)),
}
# Vehicles have depth: their first part is repeated, darker, from 60 % of its size on.
_DEEP = ("car", "truck", "bus", "train", "caravan", "trailer")

# What a scene can be asked to have; of the things in one row there is room for two. With their places: how near, and cm
# to the right of the road's middle.
_THINGS = {
    ("truck", "bus", "train", "caravan", "trailer"): ((330, 400), (140, -132)),
    ("rider", "bicycle", "motorcycle"): ((500, 560), (190, -180)),
    ("static", "dynamic", "polegroup", "person"): ((480, 540), (-320, 320)),
}
# Colour; from and to, in cm to the right of the road's middle; from and to how near.
_GROUNDS = (
    ("parking", (126, 112, 108), 200, 290, 120, 800),
    ("rail track", (112, 104, 96), -230, -35, 0, 1100),
    ("rail track", (58, 54, 52), -196, -187, 0, 1100),
    ("rail track", (58, 54, 52), -75, -66, 0, 1100),
    ("ground", (132, 108, 84), -420, -325, 200, 700),
    ("terrain", (104, 128, 60), -550, -310, 0, 1100),
    ("terrain", (104, 128, 60), 310, 550, 0, 1100),
)
FEATURES = {row[0] for row in _GROUNDS} | {"wall", "fence", "guard rail", "bridge", "tunnel"} | {*sum(_THINGS, ())}

# Traffic and furniture of any street: how many at least and at most, how near, and cm from the road's middle.
_TRAFFIC = (
    ("car", 1, 3, (80, 250), (127, 150)),
    ("car", 1, 4, (130, 470), (242, 265)),
    *((name, 1, 3, (170, 520), (317, 317)) for name in ("pole", "traffic sign", "traffic light")),
    ("person", 1, 4, (170, 520), (311, 403)),
    ("vegetation", 2, 5, (110, 420), (370, 410)),
    *((name, -2, 1, (150, 300), (190, 219)) for name in ("bicycle", "rider")),
    *((name, -6, 1, (150, 300), (138, 138)) for name in ("truck", "bus")),
)


def draw_street(
    city: str, number: int, height: int, width: int, features: tuple[str, ...]
) -> tuple[np.ndarray, np.ndarray]:
    """The scene of a key.

    Args:
        city: the key, with `number`, `height` and `width` in pixels.
        features: what the scene has for sure, of `FEATURES`; at most two of each row of `_THINGS` have room. Terrain,
            trains, motorcycles, fences and void things (but the frame's) are in a scene only if named here. A fence is
            only ever within a twentieth of the width from the left and right border.

    Returns:
        uint8 picture (height, width, 3), and uint8 label ids (height, width).

    Raises:
        ValueError: a feature that no street has, or more than have room.
    """
    if unknown := set(features) - FEATURES:
        raise ValueError(f"no street has {sorted(unknown)}; known: {', '.join(sorted(FEATURES))}")
    street = _Street(Draw("street", VERSION, city, number, height, width), height, width)
    street.ground(features)
    street.houses()
    street.barriers(features)
    # From far to near, so that what is nearer covers what is behind it.
    for near, across, name in sorted([*street.traffic(), *street.asked(features)]):
        street.thing(name, near, across)
    return street.finished()


class _Street:
    """Places are given by how near they are, from 0 at the horizon to 1024 at the lower border, and by cm to the right
    of the vanishing point and above the ground."""

    def __init__(self, random: Draw, height: int, width: int):
        self.random, self.height, self.width = random, height, width
        self.horizon = height * random.between(38, 45) // 100
        self.vanishing = width * random.between(43, 57) // 100
        self.picture, self.labels = Image.new("RGB", (width, height)), Image.new("L", (width, height))
        # The houses' fronts, left (negative) and right.
        self.fronts = -random.between(430, 540), random.between(430, 540)

    def at(self, near: int, across: int, up: int = 0) -> tuple[int, int]:
        below = (self.height - self.horizon) * near // 1024
        return self.vanishing + across * below // _CAMERA, self.horizon + below - up * below // _CAMERA

    def paint(self, shape: str, colour: Colour, label: str, *points: tuple[int, int]) -> None:
        for image, fill in ((self.picture, colour), (self.labels, LABELS.index(label))):
            getattr(ImageDraw.Draw(image), shape)(points, fill=fill)

    def upright(self, colour: Colour, label: str, across: int, start: int, end: int, low: int, high: int) -> None:
        """A surface along the street, from `low` to `high` cm above the ground."""
        places = ((start, across, low), (end, across, low), (end, across, high), (start, across, high))
        self.paint("polygon", colour, label, *(self.at(*place) for place in places))

    def thing(self, name: str, near: int, across: int) -> None:
        own = self.random.pick(_PAINTS)
        parts = [(near, 100, part) for part in _OBJECTS[name]]
        if name in _DEEP:
            parts = [(near * percent // 100, 70, parts[0][2]) for percent in range(60, 100, 5)] + parts
        for place, light, (shape, colour, left, top, right, low, *label) in parts:
            corners = self.at(place, across + left, top), self.at(place, across + right, low)
            self.paint(shape, _tone(colour or own, light), *label or [name], *corners)

    def ground(self, features: tuple[str, ...]) -> None:
        """Sky, pavement and road, and what lies on it."""
        grey, half = self.random.between(78, 104), self.random.between(270, 310)
        self.paint(_R, self.random.pick(((96, 140, 198), (150, 168, 186))), "sky", (0, 0), (self.width, self.horizon))
        self.picture.paste((218, 224, 228), (0, 0), Image.linear_gradient("L").resize((self.width, self.horizon)))
        self.paint(_R, (154, 151, 147), "sidewalk", (0, self.horizon), (self.width, self.height))
        marks = [("road", _WHITE, -8, 8, near, near * 5 // 3) for near in (60, 110, 200, 360, 650)]
        asked = [row for row in _GROUNDS if row[0] in features]
        for name, colour, left, right, start, end in [("road", (grey,) * 3, -half, half, 0, 1100), *marks, *asked]:
            corners = ((start, left), (start, right), (end, right), (end, left))
            self.paint("polygon", colour, name, *(self.at(*corner) for corner in corners))

    def houses(self) -> None:
        """A skyline of trees, and houses on both sides, from far to near."""
        random, reach = self.random, self.height // 16
        for x in range(0, self.width, reach):
            high = random.between(reach // 2, reach)
            self.paint(_E, _GREEN, "vegetation", (x - reach, self.horizon - high), (x + reach, self.horizon + high))
        for start, end in ((50, 110), (110, 170), (170, 260), (260, 420), (420, 640), (640, 2000)):
            for front in self.fronts:
                if random.between(0, 5) or start >= 420:
                    colour, high = _tone(random.pick(_FACADES), random.between(80, 108)), random.between(600, 1500)
                    self.upright(colour, "building", front, start, end, 0, high)
                    for floor in range(90, high - 240, 310) if 110 <= start < 640 else ():
                        self.upright(_GLASS, "building", front, start * 8 // 7, end * 7 // 8, floor, floor + 150)

    def barriers(self, features: tuple[str, ...]) -> None:
        """What stands across the street or along it. A fence lies on the picture, not in the street."""
        (left, right), margin = self.fronts, self.width // 20
        if "bridge" in features:
            self.paint(_R, (134, 132, 126), "bridge", self.at(170, left, 760), self.at(170, right, 560))
        if "tunnel" in features:
            self.paint(_R, (124, 120, 112), "tunnel", self.at(170, left, 800), self.at(170, right))
            self.paint(_R, (26, 26, 28), "tunnel", self.at(170, left * 2 // 5, 500), self.at(170, right * 2 // 5))
        if "wall" in features:
            self.upright((152, 134, 124), "wall", self.random.pick(self.fronts) * 97 // 100, 160, 520, 0, 230)
        if "guard rail" in features:
            self.upright((168, 172, 176), "guard rail", 305, 100, 900, 30, 84)
        for x in (0, self.width - margin) if "fence" in features else ():
            corners = (x, self.horizon * 7 // 8), (x + margin - 1, self.horizon + self.height // 5)
            self.paint(_R, (122, 104, 84), "fence", *corners)

    def traffic(self) -> list[tuple[int, int, str]]:
        """(near, across, name) of each thing."""
        random = self.random
        return [
            (random.between(*nears), random.pick((-1, 1)) * random.between(*places), name)
            for name, fewest, most, nears, places in _TRAFFIC
            for _ in range(random.between(fewest, most))
        ]

    def asked(self, features: tuple[str, ...]) -> list[tuple[int, int, str]]:
        """As `traffic`, of the things that must be seen: near, and each with a place of its own."""
        placed = []
        for names, (nears, places) in _THINGS.items():
            wanted = [name for name in features if name in names]
            if len(wanted) > len(places):
                raise ValueError(f"a street has no room for {wanted}")
            # A tram runs on the left, where its rails are.
            places = places[::-1] if wanted[:1] == ["train"] else places
            placed += [(self.random.between(*nears), *each) for each in zip(places, wanted, strict=False)]
        return placed

    def finished(self) -> tuple[np.ndarray, np.ndarray]:
        """The scene as a camera takes it: the car's bonnet, texture, softness, and the rectified frame."""
        random, size, edge = self.random, (self.width, self.height), max(self.height // 128, 1)
        corners = (self.width // 20, self.height * 23 // 25), (self.width * 19 // 20, self.height * 27 // 25)
        self.paint(_E, (46, 48, 54), "ego vehicle", *corners)
        noise = Image.blend(random.noise(size, max(self.height // 48, 2)), random.noise(size, 1), 0.3)
        picture = roughened(self.picture, noise, 18).filter(ImageFilter.SMOOTH)
        labels = np.array(self.labels)
        labels[:, :edge] = labels[:, -edge:] = LABELS.index("rectification border")
        labels[-edge:] = LABELS.index("out of roi")
        return np.array(picture), labels


def _tone(colour: Colour, percent: int) -> Colour:
    return tuple(min(channel * percent // 100, 255) for channel in colour)
