"""A street scene and its label ids, drawn with Pillow: road in perspective, houses, trees, traffic."""

from itertools import pairwise

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from datamodules.samples.draw import Draw, roughened
from datamodules.samples.street_objects import DEPTH, LABELS, OBJECTS, PALETTES, Colour

# Part of every scene's key: raise it when a scene would change, so that trees made before are made again.
VERSION = 2

# The camera's height above the road in cm: what reaches up to the horizon is as tall.
_CAMERA = 130
_FACADES = ((196, 182, 156), (164, 104, 82), (176, 170, 166), (206, 196, 178), (142, 122, 108), (186, 156, 124))
_GREENS, _WHITE = ((58, 88, 42), (76, 104, 50), (48, 74, 44), (96, 110, 56)), (220, 220, 214)

# What a scene can be asked to have; of the things in one row there is room for two.
_THINGS = (
    ("truck", "bus", "train", "caravan", "trailer"),
    ("rider", "bicycle", "motorcycle"),
    ("static", "dynamic", "polegroup", "person"),
)
_GROUNDS = ("parking", "rail track", "ground", "terrain", "wall", "fence", "guard rail", "bridge", "tunnel")
FEATURES = (*_GROUNDS, *_THINGS[0], *_THINGS[1], *_THINGS[2])

# Traffic and furniture of any street: how many at least and at most, how near, at which percentage of the road's half.
_TRAFFIC = (
    ("car", 1, 3, (80, 250), (44, 52)),
    ("car", 1, 4, (130, 470), (84, 92)),
    ("pole", 1, 3, (170, 520), (110, 110)),
    ("traffic sign", 1, 2, (170, 520), (110, 110)),
    ("warning sign", 0, 1, (170, 520), (110, 110)),
    ("traffic light", 1, 2, (170, 520), (110, 110)),
    ("person", 1, 4, (170, 520), (108, 140)),
    ("bicycle", -1, 1, (150, 300), (66, 76)),
    ("rider", -2, 1, (150, 300), (66, 76)),
    ("truck", -5, 1, (150, 300), (48, 48)),
    ("bus", -7, 1, (150, 300), (48, 48)),
)


def draw_street(
    city: str, number: int, height: int, width: int, features: tuple[str, ...]
) -> tuple[np.ndarray, np.ndarray]:
    """The scene of a key.

    Args:
        city: part of the key.
        number: which scene of the city.
        height: of the picture in pixels.
        width: of the picture in pixels.
        features: what the scene has for sure, of `FEATURES`. A fence is only ever within a twentieth of the width from
            the left and right border. Terrain, trains and motorcycles are in a scene only if named here, fences and all
            void things but the frame's, too. At most two of the vehicles, of the two-wheelers and of the small things
            have room.

    Returns:
        uint8 picture (height, width, 3), and uint8 label ids (height, width).

    Raises:
        ValueError: a feature that no street has, or more than have room.
    """
    if unknown := set(features) - set(FEATURES):
        raise ValueError(f"no street has {sorted(unknown)}; known: {', '.join(FEATURES)}")
    street = _Street(Draw("street", VERSION, city, number, height, width), height, width)
    street.sky()
    street.pavement(features)
    street.houses(next((name for name in ("bridge", "tunnel") if name in features), None))
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

    def paint(self, shape: str, colour: Colour, label: str, points: list, **options: int) -> None:
        for image, fill in ((self.picture, colour), (self.labels, LABELS.index(label))):
            getattr(ImageDraw.Draw(image), shape)(points, fill=fill, **options)

    def strip(self, colour: Colour, label: str, left: int, right: int, start: int = 0, end: int = 1100) -> None:
        """The ground between two lines to the vanishing point."""
        places = ((start, left), (start, right), (end, right), (end, left))
        self.paint("polygon", colour, label, [self.at(*place) for place in places])

    def upright(self, colour: Colour, label: str, aside: int, start: int, end: int, low: int, high: int) -> None:
        """A surface along the street, from `low` to `high` cm above the ground."""
        places = ((start, aside, low), (end, aside, low), (end, aside, high), (start, aside, high))
        self.paint("polygon", colour, label, [self.at(*place) for place in places])

    def thing(self, name: str, near: int, aside: int) -> None:
        colours = {palette: self.random.pick(choices) for palette, choices in PALETTES.items()}
        for percent in (*range(DEPTH.get(name, 100), 100, 6), 100):
            for part in OBJECTS[name] if percent == 100 else OBJECTS[name][:1]:
                place, colour = near * percent // 100, colours.get(part.colour, part.colour)
                points = [self.at(place, aside, up, across) for across, up in part.points]
                thick = (self.height - self.horizon) * place // 1024 * part.thick // _CAMERA
                options = {"width": max(thick, 1)} if part.shape == "line" else {}
                # The sides of a vehicle are darker than its face.
                self.paint(
                    part.shape, colour if percent == 100 else _tone(colour, 70), part.label or name, points, **options
                )

    def sky(self) -> None:
        random, size = self.random, (self.width, self.height)
        top = random.pick(((96, 140, 198), (150, 168, 186), (122, 160, 206)))
        self.paint("rectangle", top, "sky", [(0, 0), size])
        self.picture.paste(
            (218, 224, 228), mask=Image.linear_gradient("L").resize((self.width, self.horizon)).crop((0, 0, *size))
        )
        clouds = Image.blend(random.noise(size, self.height // 5), random.noise(size, self.height // 16), 0.25)
        self.picture.paste((234, 236, 238), mask=clouds.point(lambda value: min(max(value - 140, 0) * 8, 255)))

    def pavement(self, features: tuple[str, ...]) -> None:
        random, (left, right) = self.random, self.road
        kerb, thin, grey = self.width // 45, self.width // 64, random.between(78, 104)
        self.paint("rectangle", (154, 151, 147), "sidewalk", [(0, self.horizon), (self.width, self.height)])
        self.strip((184, 182, 176), "sidewalk", left - kerb, right + kerb)
        self.strip((grey, grey, grey + 4), "road", left, right)
        for start, end in _marks(700, 330):
            self.strip(_WHITE, "road", -thin, thin, start, end)
        if random.between(0, 3) == 0:
            for bar in range(left, right, self.width // 8):
                self.strip(_WHITE, "road", bar, bar + self.width // 16, 420, 560)
        if "parking" in features:
            self.strip((126, 112, 108), "parking", right * 70 // 100, right, 120, 800)
        if "rail track" in features:
            self.strip((112, 104, 96), "rail track", left * 80 // 100, left * 12 // 100)
            for rail in (left * 68 // 100, left * 26 // 100):
                self.strip((58, 54, 52), "rail track", rail, rail + thin)
        if "ground" in features:
            self.strip((132, 108, 84), "ground", left * 145 // 100, left * 112 // 100, 200, 700)
        if "terrain" in features:
            for edge in self.road:
                self.strip((104, 128, 60), "terrain", edge * 108 // 100, edge * 190 // 100)

    def houses(self, passage: str | None) -> None:
        random, far = self.random, self.random.between(40, 70)
        skyline, green = self.at(far, 0)[1], random.pick(_GREENS)
        for x in range(0, self.width, self.height // 16):
            self.crown((x, skyline - self.height // 32), self.height // 16, green, 2)
        ends = (far, random.between(95, 120), random.between(150, 185), random.between(230, 290), 420, 640, 2000)
        for start, end in pairwise(ends):
            if start >= 140 and passage:
                self.passage(passage, start)
                passage = None
            for front in self.fronts:
                if random.between(0, 5) or start >= 400:
                    self.house(front, start, end)

    def house(self, front: int, start: int, end: int) -> None:
        high, colour = self.random.between(600, 1500), _tone(self.random.pick(_FACADES), self.random.between(80, 108))
        self.upright(colour, "building", front, start, end, 0, high)
        self.upright(_tone(colour, 70), "building", front, start, end, high - 70, high)
        for floor in range(50, high - 280, 310):
            for near, nearer in _marks(300, 170):
                # Far away a window would be less than a pixel.
                if max(start, 110) <= near and nearer <= end:
                    self.upright((70, 82, 94), "building", front, near, nearer, floor + 40, floor + 190)

    def passage(self, name: str, near: int) -> None:
        """A bridge across the street, or a tunnel's portal."""
        left, right = (front * 105 // 100 for front in self.fronts)
        shapes = [((134, 132, 126), left, right, 760, 560)]
        if name == "tunnel":
            shapes = [((124, 120, 112), left, right, 800, 0), ((26, 26, 28), left * 2 // 5, right * 2 // 5, 500, 0)]
        for colour, start, end, high, low in shapes:
            self.paint("rectangle", colour, name, [self.at(near, start, high), self.at(near, end, low)])

    def trees(self) -> None:
        random = self.random
        for near in sorted(random.between(110, 420) for _ in range(random.between(2, 5))):
            side, high, wide = random.between(0, 1), random.between(420, 640), random.between(130, 210)
            place = near, (self.road[side] + self.fronts[side]) // 2
            self.paint("rectangle", (84, 66, 48), "vegetation", [self.at(*place, high, -16), self.at(*place, 0, 16)])
            reach = self.at(*place, 0, wide)[0] - self.at(*place)[0]
            self.crown(self.at(*place, high), reach, random.pick(_GREENS), 24)

    def crown(self, centre: tuple[int, int], reach: int, green: Colour, leaves: int) -> None:
        """Leaves in discs, the upper ones lighter."""
        for _ in range(leaves):
            u, v = self.random.between(-64, 64), self.random.between(-64, 64)
            x, y, radius = centre[0] + reach * u // 100, centre[1] + reach * v // 100, max(reach * 45 // 100, 1)
            colour = _tone(green, 100 - v // 3 + self.random.between(-10, 10))
            self.paint("ellipse", colour, "vegetation", [(x - radius, y - radius), (x + radius, y + radius)])

    def barriers(self, features: tuple[str, ...]) -> None:
        if "wall" in features:
            front = self.random.pick(self.fronts) * 97 // 100
            self.upright((152, 134, 124), "wall", front, 160, 520, 0, 230)
            self.upright((168, 164, 156), "wall", front, 160, 520, 212, 230)
        if "guard rail" in features:
            self.upright((168, 172, 176), "guard rail", self.road[1] * 106 // 100, 100, 900, 30, 84)
        if "fence" in features:
            # Drawn over the whole picture, of which only the outermost columns are kept.
            margin, images = self.width // 20, (self.picture, self.labels)
            inner = [image.crop((margin, 0, self.width - margin, self.height)) for image in images]
            for front in self.fronts:
                self.upright((122, 104, 84), "fence", front * 90 // 100, 100, 1600, 0, 190)
                for start, end in _marks(36, 12):
                    self.upright((72, 56, 44), "fence", front * 90 // 100, start, end, 0, 190)
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
        (left, right), placed = self.road, []
        places = (
            ((330, 400), right * 48, left * 46),
            ((500, 560), right * 66, left * 62),
            ((480, 540), left * 112, right * 112),
        )
        for names, (nears, *shares) in zip(_THINGS, places, strict=True):
            wanted = [name for name in features if name in names]
            if len(wanted) > len(shares):
                raise ValueError(f"a street has no room for {wanted}")
            # A tram runs on the left, where its rails are.
            order = reversed(shares) if wanted[:1] == ["train"] else shares
            placed += [
                (self.random.between(*nears), share // 100, name) for share, name in zip(order, wanted, strict=False)
            ]
        return placed

    def finished(self) -> tuple[np.ndarray, np.ndarray]:
        """The scene as a camera takes it: the car's bonnet, texture, softness, grain, and the rectified frame."""
        random, size, edge = self.random, (self.width, self.height), max(self.height // 128, 1)
        corners = [(self.width // 20, self.height * 23 // 25), (self.width * 19 // 20, self.height * 27 // 25)]
        self.paint("ellipse", (46, 48, 54), "ego vehicle", corners)
        noise = Image.blend(random.noise(size, max(self.height // 48, 2)), random.noise(size, 1), 0.3)
        plants = [255 * (number in (LABELS.index("vegetation"), LABELS.index("terrain"))) for number in range(256)]
        rough, smooth = (roughened(self.picture, noise, strength) for strength in (40, 14))
        percent = random.between(88, 108)
        picture = Image.composite(rough, smooth, self.labels.point(plants)).filter(ImageFilter.SMOOTH)
        picture = roughened(picture.point(lambda value: min(value * percent // 100, 255)), random.noise(size, 1), 3)
        labels = np.array(self.labels)
        labels[:, :edge] = labels[:, -edge:] = LABELS.index("rectification border")
        labels[-edge:] = LABELS.index("out of roi")
        return np.array(picture), labels


def _tone(colour: Colour, percent: int) -> Colour:
    return tuple(min(channel * percent // 100, 255) for channel in colour)


def _marks(period: int, length: int) -> list[tuple[int, int]]:
    """Where marks of `length` cm lie along the street, one every `period` cm: (start, end), as near as they are."""
    distances = range(9000 // period * period, 199, -period)
    return [(409600 // (distance + length), 409600 // distance) for distance in distances]
