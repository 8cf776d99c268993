"""The record that `main.py geometry` writes for one network at one size."""

from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from records.codec import Record

BLACK, MEAN, NOISE = "black", "mean", "noise"
"""Names of the inputs: the constant pixel value 0; the data's mean, constant; white noise (its mean response)."""


@dataclass
class LayerWindows:
    """The windows of a layer along one axis, or along both axes if they are equal.

    Attributes:
        layer: module path.
        axis: "rows", "columns" or "both".
        size, kernel, stride, dilation: size of the input, and settings of the layer.
        before, after: padding on each side, in positions.
        read_before, read_after: number of padded positions that windows read on each side.
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
    """The weight F of each input position in the last map of the network of averages (mean over its centre = 1).

    Attributes:
        cells: means of F over a grid of cells, float32.
        left_right, top_bottom: sum of abs(F - flipped F) / sum of (F + flipped F): 0 symmetric, 1 one-sided.
        corner: mean of the four corner cells / centre.
        edge: mean of the cells at the border / centre.
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
        by_distance: E(d), squared deviation from the centre / variance at the centre; d = 0 at the border.
        left_right, top_bottom: largest abs(f - flipped f), in standard deviations at the centre.
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
        network: timm's name of the network, or the run's name.
        weights: origin of the weights, in words.
        size: side of the image in pixels.
        schemes: schemes that were asked for.
        seed: seed of the noise.
        windows: windows of every layer that pads.
        even_sizes: nearest sizes, at most this one and at least this one, at which every layer reads evenly; None if
            there is none within 64 pixels.
        foveation: maps by scheme; empty if the network of averages is not linear.
        responses: responses by scheme, one per layer and input.
        failed: a sentence for each thing that could not be measured.
        provenance: start, command, versions, commit, host.
        state: digest of the weights and of the user's files that define schemes; empty in older records.
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
