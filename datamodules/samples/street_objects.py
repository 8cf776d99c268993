"""What stands and moves in a drawn street: each function draws one thing at a spot, in cm."""

from collections.abc import Callable

import numpy as np

from datamodules.samples.street_canvas import Spot

STATIC, DYNAMIC, POLE, POLEGROUP, LIGHT, SIGN = 4, 5, 17, 18, 19, 20
PERSON, RIDER, CAR, TRUCK, BUS, CARAVAN, TRAILER, TRAIN, MOTORCYCLE, BICYCLE = 24, 25, 26, 27, 28, 29, 30, 31, 32, 33

_DARK, _GLASS, _STEEL = (32, 32, 36), (52, 64, 74), (104, 106, 108)
_PAINTS = ((176, 178, 182), (28, 30, 36), (150, 26, 30), (32, 62, 132), (216, 216, 212), (84, 90, 96), (40, 84, 66))
_CLOTHES = ((44, 54, 86), (122, 40, 44), (52, 52, 52), (166, 150, 120), (44, 92, 82), (186, 186, 188), (178, 118, 40))
_SKIN = ((214, 172, 146), (162, 116, 88), (232, 196, 170))


def _pick(spot: Spot, colours: tuple) -> np.ndarray:
    return np.array(colours[spot.canvas.random.between(0, len(colours) - 1)])


def car(spot: Spot) -> None:
    paint = _pick(spot, _PAINTS)
    _shadow(spot, 105)
    _deep(spot, _car_outline, paint, CAR, 68)
    spot.canvas.paint(_car_outline(spot), paint, CAR, 6)
    spot.canvas.paint(spot.polygon((-72, 88), (72, 88), (56, 138), (-56, 138)), _GLASS, CAR, 14)
    lamp = (188, 38, 34) if spot.canvas.random.between(0, 2) else (244, 238, 206)
    for side in (-1, 1):
        spot.canvas.paint(spot.box(side * 72 - 12, 62, side * 72 + 12, 80), lamp, CAR, 4)
    spot.canvas.paint(spot.box(-26, 44, 26, 58), (214, 212, 190), CAR, 4)
    spot.canvas.paint(spot.box(-88, 26, 88, 36), paint * 6 // 10, CAR, 4)


def _car_outline(spot: Spot) -> np.ndarray:
    body = spot.polygon((-90, 22), (90, 22), (93, 60), (86, 90), (-86, 90), (-93, 60))
    cabin = spot.polygon((-82, 84), (82, 84), (62, 145), (-62, 145))
    return body | cabin | spot.box(-88, 0, -62, 30) | spot.box(62, 0, 88, 30)


def _deep(spot: Spot, outline: Callable, paint: np.ndarray, label: int, share: int) -> None:
    """The sides of a vehicle: its outline drawn from far to near, darker than the face."""
    steps = 6
    for step in range(steps):
        behind = spot.farther(share + (100 - share) * step // steps)
        spot.canvas.paint(outline(behind), paint * 7 // 10, label, 4)


def _shadow(spot: Spot, half: int) -> None:
    spot.canvas.shade(spot.ellipse(0, 0, half, 14), 55)


def truck(spot: Spot) -> None:
    paint = _pick(spot, _PAINTS[2:])
    _shadow(spot, 140)
    outline = _block(125, 45, 350)
    _deep(spot, outline, paint, TRUCK, 55)
    spot.canvas.paint(outline(spot), paint, TRUCK, 6)
    spot.canvas.paint(spot.box(-118, 60, 118, 342), np.minimum(paint + 42, 235), TRUCK, 6)
    spot.canvas.paint(spot.box(-3, 60, 3, 342), paint * 6 // 10, TRUCK, 4)
    spot.canvas.paint(spot.box(-118, 46, 118, 58), (176, 40, 36), TRUCK, 6)
    _wheels(spot, 70, 110, TRUCK)


def bus(spot: Spot) -> None:
    paint = _pick(spot, ((206, 164, 36), (188, 48, 40), (226, 222, 212)))
    _shadow(spot, 140)
    outline = _block(127, 30, 300)
    _deep(spot, outline, paint, BUS, 50)
    spot.canvas.paint(outline(spot), paint, BUS, 5)
    spot.canvas.paint(spot.box(-112, 130, 112, 240), _GLASS, BUS, 14)
    spot.canvas.paint(spot.box(-80, 252, 80, 284), (36, 32, 22), BUS, 4)
    spot.canvas.paint(spot.box(-60, 260, 50, 276), (236, 150, 40), BUS, 20)
    for side in (-96, 72):
        spot.canvas.paint(spot.box(side, 64, side + 24, 88), (246, 240, 210), BUS, 4)
    _wheels(spot, 78, 116, BUS)


def train(spot: Spot) -> None:
    paint = _pick(spot, ((196, 204, 208), (178, 40, 44)))
    outline = _block(132, 12, 345)
    _deep(spot, outline, paint, TRAIN, 35)
    spot.canvas.paint(outline(spot), paint, TRAIN, 5)
    spot.canvas.paint(spot.polygon((-116, 150), (116, 150), (104, 262), (-104, 262)), _GLASS, TRAIN, 14)
    spot.canvas.paint(spot.box(-60, 286, 60, 318), (38, 36, 30), TRAIN, 4)
    spot.canvas.paint(spot.box(-132, 96, 132, 120), (28, 70, 138), TRAIN, 4)
    spot.canvas.paint(spot.ellipse(-80, 70, 13, 13) | spot.ellipse(80, 70, 13, 13), (250, 246, 216), TRAIN, 2)
    spot.canvas.paint(spot.line(0, 345, 0, 430, 8), _DARK, TRAIN, 4)


def caravan(spot: Spot) -> None:
    _shadow(spot, 120)
    outline = _block(110, 38, 255)
    _deep(spot, outline, np.array((214, 212, 204)), CARAVAN, 65)
    spot.canvas.paint(outline(spot), (230, 228, 220), CARAVAN, 5)
    spot.canvas.paint(spot.box(-70, 130, 70, 205), _GLASS, CARAVAN, 10)
    spot.canvas.paint(spot.box(-110, 84, 110, 96), (150, 110, 70), CARAVAN, 4)
    _wheels(spot, 70, 96, CARAVAN)


def trailer(spot: Spot) -> None:
    _shadow(spot, 100)
    outline = _block(95, 45, 120)
    _deep(spot, outline, np.array((108, 96, 74)), TRAILER, 72)
    spot.canvas.paint(outline(spot), (132, 116, 88), TRAILER, 12)
    spot.canvas.paint(spot.box(-95, 45, 95, 56), (170, 40, 36), TRAILER, 4)
    _wheels(spot, 64, 88, TRAILER)


def _block(half: int, low: int, high: int) -> Callable[[Spot], np.ndarray]:
    return lambda spot: spot.box(-half, low, half, high) | spot.box(-half + 12, 0, half - 12, low + 1)


def _wheels(spot: Spot, inner: int, outer: int, label: int) -> None:
    spot.canvas.paint(spot.box(-outer, 0, -inner, 46) | spot.box(inner, 0, outer, 46), _DARK, label, 4)
    spot.canvas.paint(spot.box(-inner, 14, inner, 44), (44, 44, 46), label, 4)


def person(spot: Spot) -> None:
    top, legs, skin = _pick(spot, _CLOTHES), _pick(spot, _CLOTHES[:3]), _pick(spot, _SKIN)
    stride = spot.canvas.random.between(8, 26)
    spot.canvas.shade(spot.ellipse(0, 0, 34, 8), 65)
    for side in (-stride, stride):
        spot.canvas.paint(spot.line(0, 84, side, 2, 17), legs, PERSON, 6)
    spot.canvas.paint(spot.polygon((-19, 78), (19, 78), (25, 142), (-25, 142)), top, PERSON, 8)
    spot.canvas.paint(spot.line(-25, 138, -31, 84, 11) | spot.line(25, 138, 31, 84, 11), top * 8 // 10, PERSON, 6)
    spot.canvas.paint(spot.ellipse(0, 158, 12, 15), skin, PERSON, 4)
    spot.canvas.paint(spot.ellipse(0, 166, 12, 8), (58, 42, 30), PERSON, 6)


def bicycle(spot: Spot) -> None:
    spot.canvas.shade(spot.ellipse(0, 0, 90, 6), 65)
    frame = _pick(spot, ((34, 34, 38), (150, 32, 32), (36, 96, 120)))
    _two_wheels(spot, 56, 34, 8, BICYCLE)
    for x0, y0, x1, y1 in ((-56, 34, -14, 78), (-14, 78, 42, 82), (42, 82, 0, 32), (0, 32, -14, 86), (56, 34, 40, 98)):
        spot.canvas.paint(spot.line(x0, y0, x1, y1, 7), frame, BICYCLE, 4)
    spot.canvas.paint(spot.box(-28, 86, 0, 94) | spot.box(28, 94, 50, 102), _DARK, BICYCLE, 4)


def rider(spot: Spot) -> None:
    """On a bicycle, which is drawn with it."""
    bicycle(spot)
    _rider_on(spot, 92)


def motorcycle(spot: Spot) -> None:
    """With a rider on it."""
    spot.canvas.shade(spot.ellipse(0, 0, 105, 8), 60)
    paint = _pick(spot, _PAINTS[2:4])
    _two_wheels(spot, 66, 31, 17, MOTORCYCLE)
    spot.canvas.paint(spot.polygon((-74, 56), (58, 44), (62, 84), (10, 92), (-80, 80)), paint, MOTORCYCLE, 6)
    spot.canvas.paint(spot.box(-34, 24, 34, 56), _STEEL, MOTORCYCLE, 10)
    spot.canvas.paint(spot.line(66, 31, 44, 104, 9), _DARK, MOTORCYCLE, 4)
    _rider_on(spot, 88)


def _two_wheels(spot: Spot, apart: int, radius: int, tyre: int, label: int) -> None:
    for side in (-apart, apart):
        ring = spot.ellipse(side, radius, radius, radius)
        spot.canvas.paint(ring, (86, 88, 90), label, 6)
        spot.canvas.paint(ring & ~spot.ellipse(side, radius, radius - tyre, radius - tyre), _DARK, label, 4)


def _rider_on(spot: Spot, seat: int) -> None:
    top, legs = _pick(spot, _CLOTHES), _pick(spot, _CLOTHES[:3])
    spot.canvas.paint(spot.line(-12, seat, 16, seat - 34, 16) | spot.line(16, seat - 34, 4, 26, 14), legs, RIDER, 6)
    spot.canvas.paint(spot.polygon((-28, seat - 4), (2, seat - 4), (26, seat + 52), (-6, seat + 62)), top, RIDER, 8)
    spot.canvas.paint(spot.line(14, seat + 48, 42, seat + 10, 11), top * 8 // 10, RIDER, 6)
    spot.canvas.paint(spot.ellipse(16, seat + 74, 13, 16), _pick(spot, _SKIN), RIDER, 4)
    spot.canvas.paint(spot.ellipse(15, seat + 82, 14, 9), (196, 196, 190), RIDER, 4)


def pole(spot: Spot) -> None:
    """A street lamp."""
    height = spot.canvas.random.between(430, 620)
    inwards = 1 if spot.x < spot.canvas.vanishing else -1
    spot.canvas.paint(spot.box(-7, 0, 7, height) | spot.line(0, height, inwards * 110, height + 18, 9), _STEEL, POLE, 5)
    spot.canvas.paint(spot.ellipse(inwards * 118, height + 16, 24, 8), (208, 206, 190), POLE, 3)


def polegroup(spot: Spot) -> None:
    for across in (-42, -12, 18, 46):
        spot.canvas.paint(spot.box(across - 6, 0, across + 6, 300), (120, 118, 112), POLEGROUP, 5)
    spot.canvas.paint(spot.box(-48, 270, 52, 284), (120, 118, 112), POLEGROUP, 5)


def traffic_light(spot: Spot) -> None:
    spot.canvas.paint(spot.box(-7, 0, 7, 300), (88, 92, 88), POLE, 5)
    spot.canvas.paint(spot.box(-22, 270, 22, 380), (26, 30, 28), LIGHT, 3)
    lit = spot.canvas.random.between(0, 2)
    for number, colour in enumerate(((238, 54, 40), (246, 190, 40), (52, 216, 116))):
        shown = colour if number == lit else tuple(c // 4 for c in colour)
        spot.canvas.paint(spot.ellipse(0, 361 - 35 * number, 13, 13), shown, LIGHT, 2)


def traffic_sign(spot: Spot) -> None:
    spot.canvas.paint(spot.box(-5, 0, 5, 260), (140, 142, 142), POLE, 5)
    kind = spot.canvas.random.between(0, 3)
    if kind == 0:
        spot.canvas.paint(spot.ellipse(0, 260, 40, 40), (202, 34, 40), SIGN, 3)
        spot.canvas.paint(spot.ellipse(0, 260, 27, 27), (236, 234, 228), SIGN, 3)
    elif kind == 1:
        spot.canvas.paint(spot.polygon((-46, 224), (46, 224), (0, 304)), (206, 38, 40), SIGN, 3)
        spot.canvas.paint(spot.polygon((-26, 235), (26, 235), (0, 281)), (238, 236, 228), SIGN, 3)
    elif kind == 2:
        spot.canvas.paint(spot.box(-36, 222, 36, 296), (30, 78, 168), SIGN, 3)
        spot.canvas.paint(spot.polygon((-18, 236), (18, 236), (0, 284)), (230, 234, 238), SIGN, 3)
    else:
        spot.canvas.paint(spot.polygon((-44, 258), (0, 214), (44, 258), (0, 302)), (240, 238, 230), SIGN, 3)
        spot.canvas.paint(spot.polygon((-32, 258), (0, 226), (32, 258), (0, 290)), (242, 196, 36), SIGN, 3)


def bin_(spot: Spot) -> None:
    spot.canvas.paint(spot.box(-32, 0, 32, 104), (66, 72, 62), STATIC, 8)
    spot.canvas.paint(spot.box(-36, 98, 36, 112), (44, 48, 42), STATIC, 4)


def pushchair(spot: Spot) -> None:
    spot.canvas.paint(spot.polygon((-42, 34), (36, 34), (46, 92), (-26, 74)), (112, 66, 116), DYNAMIC, 8)
    spot.canvas.paint(spot.line(-26, 70, -58, 104, 8), _DARK, DYNAMIC, 3)
    spot.canvas.paint(spot.ellipse(-30, 16, 16, 16) | spot.ellipse(28, 16, 16, 16), _DARK, DYNAMIC, 3)


OBJECTS: dict[str, Callable[[Spot], None]] = {
    "car": car,
    "truck": truck,
    "bus": bus,
    "train": train,
    "caravan": caravan,
    "trailer": trailer,
    "person": person,
    "rider": rider,
    "bicycle": bicycle,
    "motorcycle": motorcycle,
    "pole": pole,
    "polegroup": polegroup,
    "traffic light": traffic_light,
    "traffic sign": traffic_sign,
    "static": bin_,
    "dynamic": pushchair,
}
