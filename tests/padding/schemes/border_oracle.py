"""The padded map of every scheme that fills, in numpy, position by position; shares nothing with the package."""

import itertools
from functools import cache

import numpy as np


def padded(x, pads, scheme):
    """`x`, one channel of one image with its `pads` filled by `scheme`, as in evaluation."""
    positions = itertools.product(
        *(range(-before, n + after) for n, (before, after) in zip(x.shape, pads, strict=True))
    )
    shape = [n + sum(pair) for n, pair in zip(x.shape, pads, strict=True)]
    value = {"earth": _earth, "mean_interp": _interpolated, "mean_reflect": _interpolated}.get(scheme)
    if value is None:
        words = scheme.split(",") if "," in scheme else [scheme] * x.ndim
        value = _Axes(words)
    return np.array([value(x, at, pads, scheme) for at in positions]).reshape(shape)


class _Axes:
    """Axes one after the other: the later axis reads the map that the earlier ones have padded."""

    def __init__(self, words):
        self.words = words
        self.bands = {}

    def __call__(self, x, at, pads, scheme):
        return self._value(x, at, pads, x.ndim - 1)

    def _value(self, x, at, pads, axis):
        if axis < 0:
            return x[at]
        n, i = x.shape[axis], at[axis]
        if 0 <= i < n:
            return self._value(x, at, pads, axis - 1)
        j = -i if i < 0 else i - n + 1

        def read(k, there=None):
            """The value k positions inside from this side, at the same place of the other axes or at another one."""
            place = list(at if there is None else there)
            place[axis] = k if i < 0 else n - 1 - k
            return self._value(x, tuple(place), pads, axis - 1)

        word, _, number = self.words[axis].partition(":")
        if word == "extrapolate":
            points = range(int(number))
            weights = [np.prod([(-j - m) / (p - m) for m in points if m != p]) for p in points]
            return sum(weight * read(p) for weight, p in zip(weights, points, strict=True))
        if word == "noise":
            side = (axis, i < 0)
            if side not in self.bands:
                amount = pads[axis][i > 0]
                ranges = [range(-b, m + a) for m, (b, a) in zip(x.shape, pads, strict=True)]
                ranges[axis:] = [range(1), *map(range, x.shape[axis + 1 :])]
                places = itertools.product(*ranges)
                self.bands[side] = np.mean([read(k, at) for at in places for k in range(min(amount + 1, n))])
            return self.bands[side]
        if word == "lp1":
            mean, factor = _prediction(x.tobytes(), x.shape, axis)
            return mean + factor**j * (read(0) - mean)
        if word == "mean_interp":
            stretched, total = n + sum(pads[axis]), min(sum(pads[axis]), n - 1)
            place = max(0, (i + pads[axis][0] + 0.5) * (n - total) / stretched - 0.5)
            line = [read(k if i < 0 else n - 1 - k) for k in range(n)]
            return np.interp(place, np.arange(n - total), np.convolve(line, np.ones(total + 1) / (total + 1), "valid"))
        return {
            "zero": lambda: 0.0,
            "random_side": lambda: 0.0,
            "mean": lambda: x.mean(),
            "replicate": lambda: read(0),
            "reflect": lambda: read(j),
            "symmetric": lambda: read(j - 1),
            "circular": lambda: read(n - j),
        }[word]()


@cache
def _prediction(data, shape, axis):
    x = np.frombuffer(data).reshape(shape)
    centered = np.moveaxis(x - x.mean(), axis, 0)
    products = sum((centered[i] * centered[i + 1]).sum() for i in range(len(centered) - 1))
    squares = (centered**2).sum()
    return x.mean(), products / squares if squares else 0.0


def _earth(x, at, pads, scheme):
    row, column = at
    height, width = x.shape
    if row < 0:
        row, column = -row - 1, column + width // 2
    elif row >= height:
        row, column = 2 * height - 1 - row, column + width // 2
    return x[row, column % width]


def _interpolated(x, at, pads, scheme):
    """Between the pooled values around a place of the map, each weighted by the product of its weights an axis."""
    if all(0 <= i < n for i, n in zip(at, x.shape, strict=True)):
        return x[at]
    around = []
    for i, n, (before, after) in zip(at, x.shape, pads, strict=True):
        stretched, total = n + before + after, min(before + after, n - 1)
        if scheme == "mean_reflect":
            i, stretched = (-i if i < 0 else 2 * (n - 1) - i if i >= n else i), n
        else:
            i += before
        place = max(0, (i + 0.5) * (n - total) / stretched - 0.5)
        low, high = min(int(place), n - total - 1), min(int(place) + 1, n - total - 1)
        around.append([(low, 1 - (place - low), total), (high, place - low, total)])
    return sum(
        np.prod([weight for _, weight, _ in corner])
        * x[tuple(slice(k, k + total + 1) for k, _, total in corner)].mean()
        for corner in itertools.product(*around)
    )
