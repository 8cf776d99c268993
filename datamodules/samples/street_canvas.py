"""A picture and its label ids, painted together in integers."""

import numpy as np

from datamodules.samples.integers import Draw, noise

# The camera's height above the road in cm: what stands at the horizon's height is as tall.
_CAMERA = 130


class Canvas:
    """A picture and its label map. A mask covers both; later paint hides earlier.

    Args:
        random: draws textures.
        height: of the picture in pixels.
        width: of the picture in pixels.
        horizon: row of the horizon.
        vanishing: column of the vanishing point of the street.
    """

    def __init__(self, random: Draw, height: int, width: int, horizon: int, vanishing: int):
        self.random, self.height, self.width = random, height, width
        self.horizon, self.vanishing = horizon, vanishing
        self.picture = np.zeros((height, width, 3), dtype=np.int64)
        self.labels = np.zeros((height, width), dtype=np.uint8)
        self.y, self.x = np.arange(height)[:, None], np.arange(width)[None, :]
        self.fine = noise(random, height, width, max(height // 48, 2)) - 128
        self.broad = noise(random, height, width, max(height // 10, 4)) - 128
        self.texture = 2 * self.fine + self.broad

    def paint(self, mask: np.ndarray, colour, label: int | None = None, rough: int = 8) -> None:
        """Cover a mask with a colour, (3,) or (height, width, 3), and a label; None keeps the labels.

        rough: by how many grey values the texture goes up and down.
        """
        mask = np.broadcast_to(mask, self.labels.shape)
        texture = (self.texture[mask] * rough >> 8)[:, None]
        colour = np.asarray(colour, dtype=np.int64)
        flat = colour if colour.ndim == 1 else np.broadcast_to(colour, self.picture.shape)[mask]
        self.picture[mask] = np.clip(flat + texture, 0, 255)
        if label is not None:
            self.labels[mask] = label

    def shade(self, mask: np.ndarray, percent: int) -> None:
        """Darken or lighten what a mask covers."""
        mask = np.broadcast_to(mask, self.labels.shape)
        self.picture[mask] = np.clip(self.picture[mask] * percent // 100, 0, 255)

    # Masks, in pixels.

    def box(self, left: int, top: int, right: int, bottom: int) -> np.ndarray:
        return (self.x >= left) & (self.x < right) & (self.y >= top) & (self.y < bottom)

    def ellipse(self, x: int, y: int, across: int, down: int) -> np.ndarray:
        """Centre and half axes."""
        across, down = max(across, 1), max(down, 1)
        u, v = (2 * self.x + 1 - 2 * x) * down, (2 * self.y + 1 - 2 * y) * across
        return u * u + v * v <= (2 * across * down) ** 2

    def polygon(self, *corners: tuple[int, int]) -> np.ndarray:
        """A convex polygon of corners (x, y), in either direction."""
        edges = list(zip(corners, (*corners[1:], corners[0]), strict=True))
        area = sum(a[0] * b[1] - b[0] * a[1] for a, b in edges)
        sign = 1 if area >= 0 else -1
        inside = np.ones(self.labels.shape, dtype=bool)
        for (ax, ay), (bx, by) in edges:
            inside &= sign * ((bx - ax) * (2 * self.y + 1 - 2 * ay) - (by - ay) * (2 * self.x + 1 - 2 * ax)) >= 0
        return inside

    def line(self, x0: int, y0: int, x1: int, y1: int, thick: int) -> np.ndarray:
        """A stroke of about `thick` pixels."""
        dx, dy = x1 - x0, y1 - y0
        px, py = 2 * self.x + 1 - 2 * x0, 2 * self.y + 1 - 2 * y0
        along, across, length = px * dx + py * dy, px * dy - py * dx, max(dx * dx + dy * dy, 1)
        return (along >= 0) & (along <= 2 * length) & (across * across <= length * thick * thick)

    def finished(self) -> np.ndarray:
        """The picture as a camera takes it: softened by half a pixel, with grain. uint8 (height, width, 3)."""
        picture = self.picture
        for axis in (0, 1):
            before = np.concatenate((picture.take([0], axis), picture.take(range(picture.shape[axis] - 1), axis)), axis)
            after = np.concatenate((picture.take(range(1, picture.shape[axis]), axis), picture.take([-1], axis)), axis)
            picture = (before + 6 * picture + after + 4) >> 3
        strength = self.random.between(2, 5)
        picture = picture + self.random.array(-strength, strength, self.height, self.width, 1)
        return np.clip(picture * self.random.between(88, 108) // 100, 0, 255).astype(np.uint8)


class Spot:
    """A place on the ground, at which things are drawn in cm.

    Args:
        canvas: what to draw on.
        x: column of the middle.
        y: row of the ground there, below the horizon.
    """

    def __init__(self, canvas: Canvas, x: int, y: int):
        self.canvas, self.x, self.y = canvas, x, y

    def pixels(self, cm: int) -> int:
        return cm * (self.y - self.canvas.horizon) // _CAMERA

    def at(self, across: int, up: int) -> tuple[int, int]:
        """Pixel of a point `across` cm to the right and `up` cm above the ground."""
        return self.x + self.pixels(across), self.y - self.pixels(up)

    def box(self, left: int, low: int, right: int, high: int) -> np.ndarray:
        (x0, y1), (x1, y0) = self.at(left, low), self.at(right, high)
        return self.canvas.box(x0, y0, max(x1, x0 + 1), max(y1, y0 + 1))

    def ellipse(self, across: int, up: int, wide: int, high: int) -> np.ndarray:
        x, y = self.at(across, up)
        return self.canvas.ellipse(x, y, self.pixels(wide), self.pixels(high))

    def polygon(self, *corners: tuple[int, int]) -> np.ndarray:
        return self.canvas.polygon(*(self.at(*corner) for corner in corners))

    def line(self, x0: int, y0: int, x1: int, y1: int, thick: int) -> np.ndarray:
        return self.canvas.line(*self.at(x0, y0), *self.at(x1, y1), max(self.pixels(thick), 1))

    def farther(self, share: int) -> "Spot":
        """The same place moved towards the vanishing point, to `share` percent of its size."""
        canvas = self.canvas
        return Spot(
            canvas,
            canvas.vanishing + (self.x - canvas.vanishing) * share // 100,
            canvas.horizon + (self.y - canvas.horizon) * share // 100,
        )
