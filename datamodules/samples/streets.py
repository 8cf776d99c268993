"""A street scene and its label ids, in integers only: road in perspective, houses, trees, traffic."""

from itertools import pairwise

import numpy as np

from datamodules.samples.integers import Draw
from datamodules.samples.street_canvas import Canvas, Spot
from datamodules.samples.street_objects import OBJECTS

# Part of every scene's key: raise it when a scene would change, so that trees made before are made again.
VERSION = 1

UNLABELED, EGO, RECTIFICATION, OUT_OF_ROI, GROUND, ROAD, SIDEWALK, PARKING, RAIL = 0, 1, 2, 3, 6, 7, 8, 9, 10
BUILDING, WALL, FENCE, GUARD_RAIL, BRIDGE, TUNNEL, VEGETATION, TERRAIN, SKY = 11, 12, 13, 14, 15, 16, 21, 22, 23

_FACADES = ((196, 182, 156), (164, 104, 82), (176, 170, 166), (206, 196, 178), (142, 122, 108), (186, 156, 124))
_GREENS = ((58, 88, 42), (76, 104, 50), (48, 74, 44), (96, 110, 56))

# What a scene can be asked to have, besides the things of OBJECTS.
SURFACES = ("parking", "rail track", "ground", "terrain")
STRUCTURES = ("wall", "fence", "guard rail", "bridge", "tunnel")
_VEHICLES = ("truck", "bus", "train", "caravan", "trailer")
_TWO_WHEELERS = ("rider", "bicycle", "motorcycle")
_SMALL = ("static", "dynamic", "polegroup", "person")
FEATURES = (*SURFACES, *STRUCTURES, *_VEHICLES, *_TWO_WHEELERS, *_SMALL)


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
            void things but the frame's, too.
            At most two of the vehicles, of the two-wheelers and of the small things have room.

    Returns:
        uint8 picture (height, width, 3), and uint8 label ids (height, width).
    """
    if unknown := set(features) - set(FEATURES):
        raise ValueError(f"no street has {sorted(unknown)}; known: {', '.join(FEATURES)}")
    random = Draw("street", VERSION, city, number, height, width)
    street = _Street(random, height, width)
    street.sky()
    street.pavement(features)
    street.houses(features)
    street.trees()
    street.structures(features)
    street.things(features)
    street.frame()
    return street.canvas.finished(), street.canvas.labels


class _Street:
    """Places are given by how near they are, t from 0 at the horizon to 1024 at the lower border, and by how far aside
    of the vanishing point they would be at the lower border, in pixels."""

    def __init__(self, random: Draw, height: int, width: int):
        self.random, self.height, self.width = random, height, width
        horizon = height * random.between(38, 45) // 100
        vanishing = width * random.between(43, 57) // 100
        self.canvas = Canvas(random, height, width, horizon, vanishing)
        self.depth = height - horizon
        # Aside of the middle of the road: its borders, and the houses' fronts, left (negative) and right.
        self.road = (-width * random.between(54, 74) // 100, width * random.between(54, 74) // 100)
        self.fronts = tuple(edge * random.between(150, 190) // 100 for edge in self.road)
        self.near = np.maximum(self.canvas.y - horizon, 0) * 1024 // self.depth

    def spot(self, near: int, aside: int) -> Spot:
        canvas = self.canvas
        return Spot(canvas, canvas.vanishing + aside * near // 1024, canvas.horizon + self.depth * near // 1024)

    def strip(self, left: int, right: int, start: int = 0, end: int = 1100) -> np.ndarray:
        """The ground between two lines to the vanishing point."""
        canvas = self.canvas
        below = canvas.y - canvas.horizon
        across = (canvas.x - canvas.vanishing) * self.depth
        inside = (across >= left * below) & (across < right * below) & (below > 0)
        return inside & (self.near >= start) & (self.near < end)

    def distance(self, near: np.ndarray) -> np.ndarray:
        """Along the street in cm."""
        return 400 * 1024 // np.maximum(near, 1)

    def upright(self, aside: int) -> tuple[np.ndarray, np.ndarray]:
        """Of a surface along the street: how near it is in each column (0 beside it), and each pixel's height in cm."""
        canvas = self.canvas
        near = np.maximum((canvas.x - canvas.vanishing) * 1024 // aside, 0)
        foot = canvas.horizon + near * self.depth // 1024
        return near, (foot - canvas.y) * 130 // np.maximum(foot - canvas.horizon, 1)

    def sky(self) -> None:
        canvas, random = self.canvas, self.random
        top, low = np.array(((96, 140, 198), (150, 168, 186), (122, 160, 206))[random.between(0, 2)]), (218, 224, 228)
        weight = (np.minimum(canvas.y * 256 // canvas.horizon, 256))[..., None]
        canvas.paint(canvas.y >= 0, (top * (256 - weight) + np.array(low) * weight) >> 8, SKY, 6)
        cloud = (canvas.broad * 5 + canvas.fine) // 6 + 10 * (canvas.y * 8 // canvas.height) > 40
        canvas.paint(cloud, (232, 234, 236), None, 10)

    def pavement(self, features: tuple[str, ...]) -> None:
        canvas, random, (left, right) = self.canvas, self.random, self.road
        distance = self.distance(self.near)
        slabs = np.where(distance % 90 < 8, 132, 152)[..., None] + np.array((4, 0, -4))
        canvas.paint(canvas.y >= canvas.horizon, slabs, SIDEWALK, 10)
        grey = random.between(78, 104)
        canvas.paint(self.strip(left, right), (grey, grey, grey + 4), ROAD, 12)
        kerb = self.width // 45
        canvas.paint(self.strip(left - kerb, left) | self.strip(right, right + kerb), (182, 180, 174), SIDEWALK, 6)
        white, thin = (220, 220, 214), self.width // 64
        canvas.paint(self.strip(-thin, thin) & (distance % 700 < 330), white, ROAD, 10)
        if random.between(0, 1):
            edge = left * 9 // 10
            canvas.paint(self.strip(edge, edge + thin), white, ROAD, 10)
        if random.between(0, 3) == 0:
            bars = ((canvas.x - canvas.vanishing) * 1024 // np.maximum(self.near, 1)) % (self.width // 8)
            canvas.paint(self.strip(left, right, 420, 560) & (bars < self.width // 16), white, ROAD, 8)
        if "parking" in features:
            bay = self.strip(right * 70 // 100, right, 120, 800)
            canvas.paint(bay, (126, 112, 108), PARKING, 10)
            canvas.paint(bay & (distance % 300 < 20), white, PARKING, 8)
        if "rail track" in features:
            canvas.paint(self.strip(left * 80 // 100, left * 12 // 100), (112, 104, 96), RAIL, 14)
            for rail in (left * 68 // 100, left * 26 // 100):
                canvas.paint(self.strip(rail, rail + thin), (58, 54, 52), RAIL, 6)
        if "ground" in features:
            canvas.paint(self.strip(left * 145 // 100, left * 112 // 100, 200, 700), (132, 108, 84), GROUND, 18)
        if "terrain" in features:
            for one, other in ((left * 190 // 100, left * 108 // 100), (right * 108 // 100, right * 190 // 100)):
                canvas.paint(self.strip(one, other), (104, 128, 60), TERRAIN, 22)

    def houses(self, features: tuple[str, ...]) -> None:
        canvas, random = self.canvas, self.random
        far = random.between(40, 70)
        skyline = canvas.horizon + self.depth * far // 1024
        green = _GREENS[random.between(0, len(_GREENS) - 1)]
        top = skyline - self.height * random.between(7, 11) // 100 + (canvas.broad >> 5) * self.height // 128
        canvas.paint((canvas.y >= top) & (canvas.y < skyline), green, VEGETATION, 20)
        canvas.paint(
            canvas.ellipse(canvas.vanishing, skyline, self.height // 24, self.height // 40), (120, 124, 124), 0
        )
        passage = next((name for name in ("bridge", "tunnel") if name in features), None)
        ends = (far, random.between(95, 120), random.between(150, 185), random.between(230, 290), 420, 640, 2000)
        for start, end in pairwise(ends):
            if start >= 140 and passage is not None:
                self.passage(passage, start)
                passage = None
            for side in (0, 1):
                gap = random.between(0, 5) == 0
                if not (gap and start < 400):
                    self.house(self.fronts[side], start, end)

    def house(self, aside: int, start: int, end: int) -> None:
        random = self.random
        near, up = self.upright(aside)
        high = random.between(600, 1500)
        front = (near >= start) & (near < end) & (up >= 0) & (up < high)
        colour = np.array(_FACADES[random.between(0, len(_FACADES) - 1)]) * random.between(80, 108) // 100
        self.canvas.paint(front, colour, BUILDING, 10)
        self.canvas.paint(front & (up >= high - 70), colour * 7 // 10, BUILDING, 8)
        along, floor = self.distance(near) % 300, up % 310
        panes = front & (along >= 60) & (along < 200) & (floor >= 110) & (floor < 250) & (up >= 310) & (up < high - 90)
        shops = front & (along >= 20) & (along < 280) & (up >= 50) & (up < 240)
        # Far away a window would be less than a pixel.
        self.canvas.paint((panes | shops) & (near >= 110), (70, 82, 94), BUILDING, 18)

    def passage(self, name: str, start: int) -> None:
        """Across the street."""
        canvas = self.canvas
        left, right = (self.spot(start, front * 105 // 100) for front in self.fronts)
        if name == "bridge":
            deck = canvas.box(left.x, left.at(0, 760)[1], right.x, left.at(0, 560)[1])
            canvas.paint(deck, (134, 132, 126), BRIDGE, 10)
            canvas.paint(canvas.box(left.x, left.at(0, 700)[1], right.x, left.at(0, 680)[1]), (96, 96, 92), BRIDGE, 4)
            return
        canvas.paint(canvas.box(left.x, left.at(0, 800)[1], right.x, left.y), (124, 120, 112), TUNNEL, 10)
        mouth = self.spot(start, 0)
        canvas.paint(mouth.box(-270, 0, 270, 380) | mouth.ellipse(0, 380, 270, 180), (26, 26, 28), TUNNEL, 6)

    def trees(self) -> None:
        random = self.random
        nears = sorted(random.between(110, 420) for _ in range(random.between(2, 5)))
        for near in nears:
            side = random.between(0, 1)
            self.tree(self.spot(near, (self.road[side] + self.fronts[side]) // 2))

    def tree(self, spot: Spot) -> None:
        canvas, random = self.canvas, self.random
        green = np.array(_GREENS[random.between(0, len(_GREENS) - 1)])
        high, wide = random.between(420, 640), random.between(130, 210)
        canvas.paint(spot.box(-16, 0, 16, high), (84, 66, 48), VEGETATION, 10)
        x, y = spot.at(0, high)
        across, down = max(spot.pixels(wide), 2), max(spot.pixels(wide * 11 // 10), 2)
        u, v = (2 * canvas.x + 1 - 2 * x) * 128 // across, (2 * canvas.y + 1 - 2 * y) * 128 // down
        ragged = 65536 + (canvas.broad + canvas.fine) * 150
        crown = u * u + v * v < ragged
        light = np.clip(100 - (u + v) // 8, 70, 135)[..., None]
        canvas.paint(crown, green * light // 100, VEGETATION, 34)

    def structures(self, features: tuple[str, ...]) -> None:
        canvas, random = self.canvas, self.random
        if "wall" in features:
            near, up = self.upright(self.fronts[random.between(0, 1)] * 97 // 100)
            wall = (near >= 160) & (near < 520) & (up >= 0) & (up < 230)
            rows = np.where((up % 40 < 6) | (self.distance(near) % 90 < 9), 116, 142)[..., None]
            canvas.paint(wall, rows + np.array((14, -6, -16)), WALL, 10)
            canvas.paint(wall & (up >= 214), (168, 164, 156), WALL, 6)
        if "fence" in features:
            margin = self.width // 20
            for front in self.fronts:
                near, up = self.upright(front * 90 // 100)
                outermost = (canvas.x < margin) | (canvas.x >= self.width - margin)
                fence = outermost & (near >= 100) & (up >= 0) & (up < 190)
                bars = (canvas.x % max(self.width // 64, 3) < max(self.width // 128, 1)) | (up >= 168)
                canvas.paint(fence, (122, 104, 84), FENCE, 14)
                canvas.paint(fence & bars, (72, 56, 44), FENCE, 8)
        if "guard rail" in features:
            near, up = self.upright(self.road[1] * 106 // 100)
            stretch = (near >= 100) & (near < 900)
            posts = (self.distance(near) % 180 < 26) & (up >= 0) & (up < 80)
            canvas.paint(stretch & ((up >= 42) & (up < 84) | posts), (166, 170, 174), GUARD_RAIL, 6)

    def things(self, features: tuple[str, ...]) -> None:
        placed = [*self.background(), *self.asked(features)]
        for near, aside, name in sorted(placed):
            OBJECTS[name](self.spot(near, aside))

    def background(self) -> list[tuple[int, int, str]]:
        """Traffic and street furniture of any street."""
        random, (left, right) = self.random, self.road
        placed = []
        for _ in range(random.between(1, 3)):
            lane = (left, right)[random.between(0, 1)] * random.between(44, 52) // 100
            placed.append((random.between(80, 250), lane, "car"))
        for _ in range(random.between(1, 4)):
            kerb = (left, right)[random.between(0, 1)] * random.between(84, 92) // 100
            placed.append((random.between(130, 470), kerb, "car"))
        for name, fewest, most in (("pole", 1, 3), ("traffic sign", 1, 3), ("traffic light", 1, 2), ("person", 1, 4)):
            for _ in range(random.between(fewest, most)):
                side = (left, right)[random.between(0, 1)]
                reach = 110 if name != "person" else random.between(108, 140)
                placed.append((random.between(170, 520), side * reach // 100, name))
        for name, chance in (("bicycle", 3), ("rider", 4), ("truck", 7), ("bus", 9)):
            if random.between(1, chance) == 1:
                share = random.between(66, 76) if name in _TWO_WHEELERS else 48
                side = (left, right)[random.between(0, 1)]
                placed.append((random.between(150, 300), side * share // 100, name))
        return placed

    def asked(self, features: tuple[str, ...]) -> list[tuple[int, int, str]]:
        """The things that must be seen: near, and each with a place of its own."""
        random, (left, right) = self.random, self.road
        places = {
            _VEHICLES: [(random.between(330, 400), right * 48 // 100), (random.between(330, 400), left * 46 // 100)],
            _TWO_WHEELERS: [
                (random.between(500, 560), right * 66 // 100),
                (random.between(500, 560), left * 62 // 100),
            ],
            _SMALL: [(random.between(480, 540), left * 112 // 100), (random.between(480, 540), right * 112 // 100)],
        }
        placed = []
        for kind, free in places.items():
            wanted = [name for name in kind if name in features]
            if len(wanted) > len(free):
                raise ValueError(f"a street has no room for {wanted}")
            # A tram runs on the left, where its rails are.
            order = free[::-1] if wanted[:1] == ["train"] else free
            placed += [(*place, name) for place, name in zip(order, wanted, strict=False)]
        return placed

    def frame(self) -> None:
        """The bonnet of the car with the camera, and the void borders of a rectified picture."""
        canvas = self.canvas
        bonnet = canvas.ellipse(
            self.width // 2, self.height + self.height // 40, self.width * 46 // 100, self.height // 12
        )
        canvas.paint(bonnet, (46, 48, 54), EGO, 6)
        shine = canvas.ellipse(self.width // 2, self.height, self.width // 3, self.height // 40)
        canvas.paint(bonnet & shine, (92, 96, 104), EGO, 6)
        edge = max(self.height // 128, 1)
        canvas.labels[:, :edge] = canvas.labels[:, -edge:] = RECTIFICATION
        canvas.labels[-edge:] = OUT_OF_ROI
