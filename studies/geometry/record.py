"""What `main.py geometry` measured of one network at one size."""

from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from records.codec import Record

BLACK, MEAN, NOISE = "black", "mean", "noise"
"""Constant inputs: pixel value 0, the data's mean; and the mean response to white noise."""


@dataclass
class LayerWindows:
    """How a layer's windows lie along one axis, or along both where they lie alike.

    Attributes:
        layer: module path.
        axis: "rows", "columns" or "both".
        size, kernel, stride, dilation, before, after: of the input, the layer and its padding.
        read_before, read_after: how many of the padded positions a window reads.
    """

    layer: str
    axis: str
    size: int
    kernel: int
    stride: int
    dilation: int
    before: int
    after: int
    read_before: int
    read_after: int

    @property
    def even(self) -> bool:
        return self.read_before == self.read_after


@dataclass
class Foveation:
    """How much each input position weighs in the last map of the network of averages (mean over its centre = 1).

    Attributes:
        cells: means over a grid of cells, float32.
        left_right, top_bottom: sum of abs(F - flipped F) over sum of (F + flipped F): 0 symmetric, 1 one-sided.
        corner: mean of the four corner cells over the centre.
        edge: mean of the cells at the border over the centre.
    """

    cells: np.ndarray = field(repr=False)
    left_right: float
    top_bottom: float
    corner: float
    edge: float


@dataclass
class Response:
    """A layer's response to a constant input.

    Attributes:
        layer: module path.
        input: BLACK, MEAN or NOISE.
        by_distance: E(d), squared deviation from the centre over the variance at the centre, d = 0 at the border.
        left_right, top_bottom: max abs(f - flipped f) in standard deviations at the centre.
    """

    layer: str
    input: str
    by_distance: list[float] = field(repr=False)
    left_right: float
    top_bottom: float


@dataclass
class GeometryRecord(Record):
    """The content of `geometry/NETWORK-SIZE.json`.

    Attributes:
        network: timm's name, or the run's.
        weights: where they are from, in words.
        size: side of the image in pixels.
        schemes: that were asked for.
        seed: of the noise.
        windows: of every layer whose windows could read padding.
        even_sizes: nearest sizes, at most this one and at least this one, at which every layer reads evenly; None:
            none within 64 pixels.
        foveation: by scheme; empty where the network of averages is not linear.
        responses: by scheme, a value a layer and input.
        failed: a sentence for what could not be measured.
        provenance: start, command, versions, commit, host.
        state: digest of the weights and of users' files with schemes; empty in older records.
    """

    KIND: ClassVar[str] = "geometry"

    network: str
    weights: str
    size: int
    schemes: list[str]
    seed: int
    windows: list[LayerWindows]
    even_sizes: list[int | None]
    foveation: dict[str, Foveation]
    responses: dict[str, list[Response]]
    failed: list[str] = field(default_factory=list)
    provenance: dict[str, Any] = field(default_factory=dict, repr=False)
    state: str = ""
