"""One picture of the sample data: an object of a class on a textured ground, in integers only."""

from collections.abc import Callable

import numpy as np

from datamodules.samples.integers import Draw, noise

# Part of every picture's key: raise it when a picture would change, so that trees made before are made again.
VERSION = 1

# Sine of k/64 turns times 2^14; the cosine is 16 steps ahead.
_SINES = (0, 1606, 3196, 4756, 6270, 7723, 9102, 10394, 11585, 12665, 13623, 14449, 15137, 15679, 16069, 16305)
_QUARTER = (*_SINES, 16384, *_SINES[:0:-1])
_SINE = np.array((*_QUARTER, *(-s for s in _QUARTER)), dtype=np.int64)

_SHORTEST, _LONGEST = 80, 120
# The radius that the shapes below are drawn with.
_UNIT = 1024


def draw(name: str, split: str, number: int) -> np.ndarray:
    """The picture of a key.

    Args:
        name: a key of `SHAPES`.
        split: "train" or "val".
        number: which picture of the class.

    Returns:
        uint8 (height, width, 3), each side from 80 to 120 pixels.
    """
    random = Draw("sample", VERSION, name, split, number)
    height, width = random.between(_SHORTEST, _LONGEST), random.between(_SHORTEST, _LONGEST)
    ground, front = _two_colours(random)
    picture = _ground(random, height, width, ground)
    for _ in range(random.between(0, 3)):
        _place_stroke(random, picture)
    _place_object(random, picture, SHAPES[name], _paint(random, height, width, front))
    return _grain(random, picture).astype(np.uint8)


def _colour(random: Draw) -> np.ndarray:
    """Red, green and blue, drawn a third of the way towards grey: full saturation everywhere hurts the eye."""
    colour = random.array(10, 245, 3)
    return (2 * colour + _grey(colour)) // 3


def _grey(colour: np.ndarray) -> int:
    return int(colour @ np.array((77, 150, 29))) >> 8


def _two_colours(random: Draw) -> tuple[np.ndarray, np.ndarray]:
    """Colours of ground and object: any two, the object's at least 80 of 255 grey values lighter.

    With either one the lighter, a small network reached 50 % in 8 epochs, and so 67 %: too slow to show in a demo.
    """
    while True:
        first, second = _colour(random), _colour(random)
        if abs(_grey(first) - _grey(second)) >= 80:
            return (first, second) if _grey(first) < _grey(second) else (second, first)


def _ground(random: Draw, height: int, width: int, colour: np.ndarray) -> np.ndarray:
    pattern = (_clouds, _stripes, _checks, _slope)[random.between(0, 3)](random, height, width)
    fine = noise(random, height, width, random.between(4, 9))
    other = np.clip(colour + random.array(-45, 45, 3), 0, 255)
    weight = ((3 * pattern + fine) >> 2)[..., None]
    return (colour * (256 - weight) + other * weight) >> 8


def _paint(random: Draw, height: int, width: int, colour: np.ndarray) -> np.ndarray:
    shade = noise(random, height, width, random.between(8, 30))[..., None]
    return np.clip(colour + ((shade - 128) * random.between(10, 45) >> 7), 0, 255)


def _grain(random: Draw, picture: np.ndarray) -> np.ndarray:
    strength = random.between(2, 14)
    return np.clip(picture + random.array(-strength, strength, *picture.shape[:2], 1), 0, 255)


# Patterns: (height, width) of weights from 0 to 255.


def _clouds(random: Draw, height: int, width: int) -> np.ndarray:
    cell = random.between(14, 40)
    return (2 * noise(random, height, width, cell) + noise(random, height, width, max(cell // 3, 4))) // 3


def _stripes(random: Draw, height: int, width: int) -> np.ndarray:
    turn, period = random.between(0, 63), random.between(8, 28)
    y, x = np.mgrid[:height, :width]
    bend = noise(random, height, width, 24) * random.between(0, 24) >> 8
    phase = ((x * _SINE[turn] + y * _SINE[turn - 48] >> 14) + bend) % period
    return np.where(2 * phase < period, 235, 20)


def _checks(random: Draw, height: int, width: int) -> np.ndarray:
    side = random.between(7, 22)
    y, x = np.mgrid[:height, :width]
    return np.where((y // side + x // side) % 2 == 1, 225, 30)


def _slope(random: Draw, height: int, width: int) -> np.ndarray:
    turn = random.between(0, 63)
    y, x = np.mgrid[:height, :width]
    along = x * _SINE[turn] + y * _SINE[turn - 48]
    along = along - along.min()
    return along * 255 // along.max()


# Shapes: from coordinates (u to the right, v upwards, radius _UNIT) to a mask.


def _half_planes(u: np.ndarray, v: np.ndarray, sides: int, distance: int) -> np.ndarray:
    """In how many of the half-planes of a regular polygon each point lies."""
    normals = {3: ((0, -1024), (887, 512), (-887, 512)), 5: _FIVE}[sides]
    return sum((u * a + v * b <= distance * 1024).astype(np.int64) for a, b in normals)


_FIVE = ((0, -1024), (974, -316), (602, 828), (-602, 828), (-974, -316))


def _disc(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    return u * u + v * v <= 880**2


def _ring(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    radius = u * u + v * v
    return (radius <= 960**2) & (radius >= 560**2)


def _square(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    return np.maximum(abs(u), abs(v)) <= 760


def _triangle(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    return _half_planes(u, v, 3, 560) == 3


def _cross(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    return (np.maximum(abs(u), abs(v)) <= 940) & (np.minimum(abs(u), abs(v)) <= 280)


def _star(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    # A pentagram is what at least four of its five edges' half-planes share.
    return _half_planes(u, v, 5, 340) >= 4


def _crescent(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    return (u * u + v * v <= 960**2) & ((u - 480) ** 2 + v * v >= 780**2)


def _heart(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    # A square on its corner and a disc on each of its upper edges.
    square = abs(u) + abs(v + 160) <= 800
    return square | ((abs(u) - 400) ** 2 + (v - 240) ** 2 <= 566**2)


def _arrow(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    head = (v >= 60) & (abs(u) + v <= 980)
    return head | ((abs(u) <= 250) & (v >= -960) & (v <= 60))


def _bars(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    return (np.maximum(abs(u), abs(v)) <= 850) & ((v + 850) % 680 < 340)


SHAPES: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "disc": _disc,
    "ring": _ring,
    "square": _square,
    "triangle": _triangle,
    "cross": _cross,
    "star": _star,
    "crescent": _crescent,
    "heart": _heart,
    "arrow": _arrow,
    "bars": _bars,
}


def _place_object(random: Draw, picture: np.ndarray, shape: Callable, paint: np.ndarray) -> None:
    height, width = picture.shape[:2]
    radius = min(height, width) * random.between(30, 48) // 25
    # The centre is anywhere but in a narrow margin, so the border cuts off up to nearly half of the object.
    x = 4 * width * random.between(15, 85) // 100
    y = 4 * height * random.between(15, 85) // 100
    _stamp(picture, paint, shape, x, y, radius, random.between(-7, 7))


def _place_stroke(random: Draw, picture: np.ndarray) -> None:
    """Clutter: a short bar, which alone is no class."""
    radius, thin = random.between(24, 80), random.between(60, 200)
    x, y = random.between(0, 4 * picture.shape[1]), random.between(0, 4 * picture.shape[0])
    paint = np.broadcast_to(_colour(random), picture.shape)
    _stamp(picture, paint, lambda u, v: (abs(u) <= 1000) & (abs(v) <= thin), x, y, radius, random.between(0, 63))


def _stamp(picture: np.ndarray, paint: np.ndarray, shape: Callable, x: int, y: int, radius: int, turn: int) -> None:
    """Paint where a shape covers the picture, in place, by 2 x 2 points a pixel; x, y, radius in quarter pixels."""
    height, width = picture.shape[:2]
    # In pixels; the corners of some shapes lie up to 1.2 radii out.
    reach = radius * 5 // 16 + 1
    top, bottom = max(y // 4 - reach, 0), min(y // 4 + reach, height)
    left, right = max(x // 4 - reach, 0), min(x // 4 + reach, width)
    dx = 2 * np.arange(2 * left, 2 * right)[None, :] + 1 - x
    dy = y - 2 * np.arange(2 * top, 2 * bottom)[:, None] - 1
    sine, cosine = int(_SINE[turn]), int(_SINE[turn - 48])
    u = (dx * cosine + dy * sine) * _UNIT // (radius << 14)
    v = (dy * cosine - dx * sine) * _UNIT // (radius << 14)
    points = shape(u, v).astype(np.int64)
    covered = (points[::2, ::2] + points[1::2, ::2] + points[::2, 1::2] + points[1::2, 1::2])[..., None]
    region = picture[top:bottom, left:right]
    region += (paint[top:bottom, left:right] - region) * covered >> 2
