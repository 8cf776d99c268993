"""A street scene and its label ids, drawn with Pillow: road in perspective, houses, trees, traffic."""

from itertools import pairwise

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from datamodules.samples.draw import Draw, roughened

# Part of every scene's key: raise it when a scene would change, so that trees made before are made again.
VERSION = 3

Colour = tuple[int, int, int]

# Cityscapes' label ids are the positions here (mcordts/cityscapesScripts, helpers/labels.py).
LABELS = (
    *("unlabeled", "ego vehicle", "rectification border", "out of roi", "static", "dynamic", "ground", "road"),
    *("sidewalk", "parking", "rail track", "building", "wall", "fence", "guard rail", "bridge", "tunnel", "pole"),
    *("polegroup", "traffic light", "traffic sign", "vegetation", "terrain", "sky", "person", "rider", "car", "truck"),
    *("bus", "caravan", "trailer", "train", "motorcycle", "bicycle"),
)

# The camera's height above the road in cm: what reaches up to the horizon is as tall.
_CAMERA = 130
_FACADES = ((196, 182, 156), (164, 104, 82), (176, 170, 166), (206, 196, 178), (142, 122, 108), (186, 156, 124))
_GREENS = ((58, 88, 42), (76, 104, 50), (48, 74, 44), (96, 110, 56))
_DARK, _GLASS, _STEEL, _WHITE, _RED = (32, 32, 36), (52, 64, 74), (104, 106, 108), (228, 226, 220), (204, 36, 40)
# Colours that each thing draws for itself.
_PALETTES: dict[str, tuple[Colour, ...]] = {
    "paint": ((176, 178, 182), (28, 30, 36), (150, 26, 30), (32, 62, 132), (216, 216, 212), (40, 84, 66)),
    "livery": ((206, 164, 36), (188, 48, 40), (226, 222, 212)),
    "top": ((44, 54, 86), (122, 40, 44), (166, 150, 120), (44, 92, 82), (186, 186, 188), (178, 118, 40)),
    "skin": ((214, 172, 146), (162, 116, 88), (232, 196, 170)),
    "lit": ((238, 54, 40), (246, 190, 40), (52, 216, 116)),
}

# A shape of ImageDraw, a colour or palette, and its points: cm to the right of the foot's middle and upwards, those of
# a rectangle and an ellipse upper left and lower right. Last the label where it is not the thing's name.
_Part = tuple[str, Colour | str, tuple[int, ...], str]


def _part(shape: str, colour: Colour | str, *numbers: int, label: str = "") -> _Part:
    return shape, colour, numbers, label


def _pair(shape: str, colour: Colour, left: int, high: int, right: int, low: int, label: str = "") -> tuple[_Part, ...]:
    """A shape on the right, and its mirror image on the left."""
    return tuple(_part(shape, colour, x, high, y, low, label=label) for x, y in ((left, right), (-right, -left)))


def _vehicle(colour: Colour | str, half: int, high: int, band: Colour, top: int, bottom: int) -> tuple[_Part, ...]:
    """The face of a large vehicle on two wheels, with a band across: windows, or lamps."""
    face = _part("rectangle", colour, -half, high, half, 20)
    wheels = _pair("rectangle", _DARK, half - 50, 46, half, 0)
    return face, _part("rectangle", band, 12 - half, top, half - 12, bottom), *wheels


def _cycle(label: str, apart: int, radius: int, tyre: int, frame: _Part) -> tuple[_Part, ...]:
    wheels = _pair("ellipse", _DARK, apart - radius, 2 * radius, apart + radius, 0, label)
    low, high = tyre, 2 * radius - tyre
    return *wheels, *_pair("ellipse", (86, 88, 90), apart - high // 2, high, apart + high // 2, low, label), frame


_CYCLIST = (
    _part("polygon", _DARK, -20, 92, 0, 96, 24, 58, 12, 22, 0, 22, 8, 58, label="rider"),
    _part("polygon", "top", -28, 88, 2, 88, 44, 100, 26, 144, -6, 154, label="rider"),
    _part("ellipse", "skin", 3, 184, 29, 150, label="rider"),
)
_FRAME = _part("polygon", "livery", -56, 30, -14, 92, 40, 100, 44, 78, 4, 30, label="bicycle")
_TANK = _part("polygon", _RED, -74, 34, 58, 34, 62, 84, 10, 92, -80, 80, label="motorcycle")
_BICYCLE = _cycle("bicycle", 56, 34, 8, _FRAME)
_POLE = _part("rectangle", _STEEL, -6, 300, 6, 0, label="pole")
_OBJECTS: dict[str, tuple[_Part, ...]] = {
    "car": (
        _part("polygon", "paint", -90, 12, 90, 12, 93, 60, 84, 88, 62, 145, -62, 145, -84, 88, -93, 60),
        _part("polygon", _GLASS, -72, 88, 72, 88, 56, 138, -56, 138),
        *_pair("rectangle", _DARK, 62, 28, 88, 0),
        *_pair("rectangle", _RED, 60, 80, 84, 62),
    ),
    "truck": _vehicle("paint", 125, 350, _STEEL, 342, 60),
    "bus": _vehicle("livery", 127, 300, _GLASS, 240, 130),
    "train": _vehicle("livery", 132, 345, _GLASS, 262, 150),
    "caravan": _vehicle((226, 224, 216), 110, 255, _GLASS, 205, 130),
    "trailer": _vehicle((132, 116, 88), 95, 120, _RED, 56, 45),
    "person": (
        *_pair("rectangle", _DARK, 2, 84, 17, 0),
        _part("polygon", "top", -19, 78, 19, 78, 30, 138, -30, 138),
        _part("ellipse", "skin", -13, 176, 13, 142),
    ),
    "bicycle": _BICYCLE,
    "rider": (*_BICYCLE, *_CYCLIST),
    "motorcycle": (*_cycle("motorcycle", 66, 31, 17, _TANK), *_CYCLIST),
    "pole": (_part("rectangle", _STEEL, -7, 520, 7, 0), _part("rectangle", _STEEL, -90, 536, 90, 522)),
    "polegroup": (*_pair("rectangle", _STEEL, 14, 300, 30, 0), _part("rectangle", _STEEL, -30, 284, 30, 266)),
    "traffic light": (_POLE, _part("rectangle", _DARK, -22, 380, 22, 270), _part("ellipse", "lit", -15, 360, 15, 330)),
    "traffic sign": (_POLE, _part("ellipse", _RED, -40, 300, 40, 220), _part("ellipse", _WHITE, -27, 287, 27, 233)),
    # A bin, and a pushchair.
    "static": (_part("rectangle", (66, 72, 62), -32, 108, 32, 0), _part("rectangle", _DARK, -36, 112, 36, 98)),
    "dynamic": (_part("polygon", _RED, -42, 34, 36, 34, 46, 92, -58, 100), *_pair("ellipse", _DARK, 12, 32, 44, 0)),
}
# Vehicles have depth: their first part is repeated, darker, from 60 % of its size on.
_DEEP = ("car", "truck", "bus", "train", "caravan", "trailer")

# What a scene can be asked to have; of the things in one row there is room for two. With their places: how near, and
# at which percentage of the road's left or right half (at most one of the two is not 0).
_THINGS = {
    ("truck", "bus", "train", "caravan", "trailer"): ((330, 400), (0, 48), (46, 0)),
    ("rider", "bicycle", "motorcycle"): ((500, 560), (0, 66), (62, 0)),
    ("static", "dynamic", "polegroup", "person"): ((480, 540), (112, 0), (0, 112)),
}
# Colour, from and to which percentage of the left (negative) or right half of the road, start and end.
_GROUNDS = (
    ("parking", (126, 112, 108), 70, 100, 120, 800),
    ("rail track", (112, 104, 96), -80, -12, 0, 1100),
    ("rail track", (58, 54, 52), -68, -65, 0, 1100),
    ("rail track", (58, 54, 52), -26, -23, 0, 1100),
    ("ground", (132, 108, 84), -145, -112, 200, 700),
    ("terrain", (104, 128, 60), -190, -108, 0, 1100),
    ("terrain", (104, 128, 60), 108, 190, 0, 1100),
)
FEATURES = {row[0] for row in _GROUNDS} | {"wall", "fence", "guard rail", "bridge", "tunnel"} | {*sum(_THINGS, ())}

# Traffic and furniture of any street: how many at least and at most, how near, at which percentage of the road's half.
_TRAFFIC = (
    ("car", 1, 3, (80, 250), (44, 52)),
    ("car", 1, 4, (130, 470), (84, 92)),
    *((name, 1, 3, (170, 520), (110, 110)) for name in ("pole", "traffic sign", "traffic light")),
    ("person", 1, 4, (170, 520), (108, 140)),
    *((name, -2, 1, (150, 300), (66, 76)) for name in ("bicycle", "rider")),
    *((name, -6, 1, (150, 300), (48, 48)) for name in ("truck", "bus")),
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
    street.houses(features)
    street.trees()
    street.barriers(features)
    for near, aside, name in sorted([*street.traffic(), *street.asked(features)]):
        street.thing(name, near, aside)
    return street.finished()


class _Street:
    """Places are given by how near they are, from 0 at the horizon to 1024 at the lower border, by how far aside of the
    vanishing point they would be at the lower border, in pixels, and by cm above the ground and to the right."""

    def __init__(self, random: Draw, height: int, width: int):
        self.random, self.height, self.width = random, height, width
        self.horizon = height * random.between(38, 45) // 100
        self.vanishing = width * random.between(43, 57) // 100
        self.picture, self.labels = Image.new("RGB", (width, height)), Image.new("L", (width, height))
        # The road's borders, and the houses' fronts, left (negative) and right.
        self.road = (-width * random.between(54, 74) // 100, width * random.between(54, 74) // 100)
        self.fronts = tuple(edge * random.between(150, 190) // 100 for edge in self.road)

    def at(self, near: int, aside: int, up: int = 0, across: int = 0) -> tuple[int, int]:
        below = (self.height - self.horizon) * near // 1024
        x = self.vanishing + aside * near // 1024 + across * below // _CAMERA
        return x, self.horizon + below - up * below // _CAMERA

    def paint(self, shape: str, colour: Colour, label: str, points: list) -> None:
        for image, fill in ((self.picture, colour), (self.labels, LABELS.index(label))):
            getattr(ImageDraw.Draw(image), shape)(points, fill=fill)

    def strip(self, colour: Colour, label: str, left: int, right: int, start: int = 0, end: int = 1100) -> None:
        """The ground between two lines to the vanishing point."""
        corners = [self.at(start, left), self.at(start, right), self.at(end, right), self.at(end, left)]
        self.paint("polygon", colour, label, corners)

    def upright(self, colour: Colour, label: str, aside: int, start: int, end: int, low: int, high: int) -> None:
        """A surface along the street, from `low` to `high` cm above the ground."""
        places = ((start, aside, low), (end, aside, low), (end, aside, high), (start, aside, high))
        self.paint("polygon", colour, label, [self.at(*place) for place in places])

    def thing(self, name: str, near: int, aside: int) -> None:
        colours = {palette: self.random.pick(choices) for palette, choices in _PALETTES.items()}
        parts = [(near, 100, part) for part in _OBJECTS[name]]
        if name in _DEEP:
            parts = [(near * percent // 100, 70, parts[0][2]) for percent in range(60, 100, 5)] + parts
        for place, light, (shape, colour, numbers, label) in parts:
            points = [self.at(place, aside, up, across) for across, up in zip(*[iter(numbers)] * 2, strict=True)]
            self.paint(shape, _tone(colours.get(colour, colour), light), label or name, points)

    def ground(self, features: tuple[str, ...]) -> None:
        """Sky, pavement and road, and what lies on it."""
        (left, right), kerb, grey = self.road, self.width // 45, self.random.between(78, 104)
        sky = self.random.pick(((96, 140, 198), (150, 168, 186), (122, 160, 206)))
        self.paint("rectangle", sky, "sky", [(0, 0), (self.width, self.height)])
        self.picture.paste((218, 224, 228), (0, 0), Image.linear_gradient("L").resize((self.width, self.horizon)))
        self.paint("rectangle", (154, 151, 147), "sidewalk", [(0, self.horizon), (self.width, self.height)])
        self.strip((184, 182, 176), "sidewalk", left - kerb, right + kerb)
        self.strip((grey, grey, grey + 4), "road", left, right)
        for start, end in _marks(700, 330):
            self.strip(_WHITE, "road", -self.width // 64, self.width // 64, start, end)
        for name, colour, start, end, *length in _GROUNDS:
            if name in features:
                edge = right if end > 0 else -left
                self.strip(colour, name, edge * start // 100, edge * end // 100, *length)

    def houses(self, features: tuple[str, ...]) -> None:
        far, random = self.random.between(40, 70), self.random
        skyline, reach = self.at(far, 0)[1], self.height // 16
        self.crowns([(x, skyline - reach // 2) for x in range(0, self.width, reach)], reach, 2)
        ends = (far, random.between(95, 120), random.between(150, 185), random.between(230, 290), 420, 640, 2000)
        for number, (start, end) in enumerate(pairwise(ends)):
            if number == 2:
                self.passage(features, start)
            for front in self.fronts:
                if random.between(0, 5) or start >= 400:
                    self.house(front, start, end)

    def house(self, front: int, start: int, end: int) -> None:
        high, colour = self.random.between(600, 1500), _tone(self.random.pick(_FACADES), self.random.between(80, 108))
        self.upright(colour, "building", front, start, end, 0, high)
        for floor in range(90, high - 240, 310):
            for near, nearer in _marks(300, 170):
                # Far away a window would be less than a pixel.
                if max(start, 110) <= near and nearer <= end:
                    self.upright((70, 82, 94), "building", front, near, nearer, floor, floor + 150)

    def passage(self, features: tuple[str, ...], near: int) -> None:
        """A bridge across the street, or a tunnel's portal."""
        left, right = (front * 105 // 100 for front in self.fronts)
        shapes = {
            "bridge": [((134, 132, 126), left, right, 760, 560)],
            "tunnel": [((124, 120, 112), left, right, 800, 0), ((26, 26, 28), left * 2 // 5, right * 2 // 5, 500, 0)],
        }
        for name in shapes.keys() & features:
            for colour, start, end, high, low in shapes[name]:
                self.paint("rectangle", colour, name, [self.at(near, start, high), self.at(near, end, low)])

    def trees(self) -> None:
        random = self.random
        for near in sorted(random.between(110, 420) for _ in range(random.between(2, 5))):
            side, high = random.between(0, 1), random.between(420, 640)
            place = near, (self.road[side] + self.fronts[side]) // 2
            self.paint("rectangle", (84, 66, 48), "vegetation", [self.at(*place, high, -16), self.at(*place, 0, 16)])
            reach = self.at(*place, 0, random.between(130, 210))[0] - self.at(*place)[0]
            self.crowns([self.at(*place, high)], reach, 24)

    def crowns(self, centres: list[tuple[int, int]], reach: int, leaves: int) -> None:
        """Leaves in discs, the upper ones lighter."""
        random, green, radius = self.random, self.random.pick(_GREENS), max(reach * 45 // 100, 1)
        for x, y in (centre for centre in centres for _ in range(leaves)):
            u, v = random.between(-64, 64), random.between(-64, 64)
            x, y = x + reach * u // 100, y + reach * v // 100
            corners = [(x - radius, y - radius), (x + radius, y + radius)]
            self.paint("ellipse", _tone(green, 100 - v // 3), "vegetation", corners)

    def barriers(self, features: tuple[str, ...]) -> None:
        if "wall" in features:
            self.upright((152, 134, 124), "wall", self.random.pick(self.fronts) * 97 // 100, 160, 520, 0, 230)
        if "guard rail" in features:
            self.upright((168, 172, 176), "guard rail", self.road[1] * 106 // 100, 100, 900, 30, 84)
        if "fence" in features:
            # Drawn over the whole picture, of which only the outermost columns are kept.
            margin, images = self.width // 20, (self.picture, self.labels)
            inner = [image.crop((margin, 0, self.width - margin, self.height)) for image in images]
            for front in self.fronts:
                self.upright((122, 104, 84), "fence", front * 90 // 100, 100, 1600, 0, 190)
            for image, part in zip(images, inner, strict=True):
                image.paste(part, (margin, 0))

    def traffic(self) -> list[tuple[int, int, str]]:
        """(near, aside, name) of each thing."""
        random = self.random
        return [
            (random.between(*nears), random.pick(self.road) * random.between(*shares) // 100, name)
            for name, fewest, most, nears, shares in _TRAFFIC
            for _ in range(random.between(fewest, most))
        ]

    def asked(self, features: tuple[str, ...]) -> list[tuple[int, int, str]]:
        """As `traffic`, of the things that must be seen: near, and each with a place of its own."""
        placed, (left, right) = [], self.road
        for names, (nears, *sides) in _THINGS.items():
            wanted = [name for name in features if name in names]
            if len(wanted) > len(sides):
                raise ValueError(f"a street has no room for {wanted}")
            # A tram runs on the left, where its rails are.
            for name, (west, east) in zip(wanted, sides[::-1] if wanted[:1] == ["train"] else sides, strict=False):
                placed.append((self.random.between(*nears), (left * west + right * east) // 100, name))
        return placed

    def finished(self) -> tuple[np.ndarray, np.ndarray]:
        """The scene as a camera takes it: the car's bonnet, texture, softness, and the rectified frame."""
        random, size, edge = self.random, (self.width, self.height), max(self.height // 128, 1)
        corners = [(self.width // 20, self.height * 23 // 25), (self.width * 19 // 20, self.height * 27 // 25)]
        self.paint("ellipse", (46, 48, 54), "ego vehicle", corners)
        noise = Image.blend(random.noise(size, max(self.height // 48, 2)), random.noise(size, 1), 0.3)
        percent = random.between(88, 108)
        picture = roughened(self.picture, noise, 18).filter(ImageFilter.SMOOTH)
        labels = np.array(self.labels)
        labels[:, :edge] = labels[:, -edge:] = LABELS.index("rectification border")
        labels[-edge:] = LABELS.index("out of roi")
        return np.array(picture.point(lambda value: min(value * percent // 100, 255))), labels


def _tone(colour: Colour, percent: int) -> Colour:
    return tuple(min(channel * percent // 100, 255) for channel in colour)


def _marks(period: int, length: int) -> list[tuple[int, int]]:
    """Where marks of `length` cm lie along the street, one every `period` cm: (start, end), as near as they are."""
    distances = range(9000 // period * period, 199, -period)
    return [(409600 // (distance + length), 409600 // distance) for distance in distances]
