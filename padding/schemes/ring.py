"""Fills the border of a map axis by axis from positions near it, at the cost of one copy of the map and its ring.

A scheme of this kind is one function that computes the values beyond one side of one axis. `register_fill` applies it
to maps of any number of axes: first rows, then columns, which also fills the corners. The function gets the positions
next to the border, nearest first, along the last axis, so that it need not know the side or the axis.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor

from padding.errors import PaddingError
from padding.geometry import Geometry, Pads
from padding.registry import Scheme, add_scheme
from padding.schemes.convolve import unpadded
from padding.tracing import is_traced, may_compare


def _one(amount: int, size: int) -> int:
    return 1


@dataclass(frozen=True)
class Fill:
    """How one axis is filled.

    Attributes:
        name: name of the scheme, for messages.
        ring: `ring(near, amount, measured) -> (N, C, ..., amount)`, the values at distances 1, 2, ... beyond one side;
            `near` is (N, C, ..., reach), the values at distances 0, 1, ... inside that side, for any axis.
        reach: `reach(amount, size)`, the number of positions that `ring` reads.
        opposite: whether `ring` reads from the opposite side, so that `near` begins at the far end.
        measure: `measure(input, training)`, one value per axis, computed from the map before any axis is filled; `ring`
            gets it as `measured`.
        linear: whether zeros next to the border give zeros beyond it.
    """

    name: str
    ring: Callable[[Tensor, int, Any], Tensor]
    reach: Callable[[int, int], int] = _one
    opposite: bool = False
    measure: Callable[[Tensor, bool], Sequence[Any]] | None = None
    linear: bool = True


def register_fill(name: str, *, survives_fusing: bool = True, sees_training: bool = False, **options: Any) -> Callable:
    """Decorator: makes `ring(near, amount, measured) -> values` the scheme `name`; `options` are attributes of `Fill`.

    >>> from padding.registry import _SCHEMES
    >>> @register_fill("ones", linear=False)
    ... def ones(near, amount, measured):
    ...     return torch.ones_like(near).expand(*near.shape[:-1], amount)
    >>> import padding
    >>> padding.conv1d(torch.zeros(1, 1, 2), torch.ones(1, 1, 3), padding=1, scheme="ones")
    tensor([[[1., 1.]]])
    >>> _SCHEMES.pop("ones").name  # undone: this is an example
    'ones'
    """

    def register(ring: Callable[[Tensor, int, Any], Tensor]) -> Callable[[Tensor, int, Any], Tensor]:
        add_scheme(filling(Fill(name, ring, **options), survives_fusing, sees_training))
        return ring

    return register


def alike(fill: Fill) -> Callable[[int], tuple[Fill, ...]]:
    """Returns `fills(axes)` of a scheme that fills every axis in the same way."""
    return lambda axes: (fill,) * axes


def filling(fill: Fill, survives_fusing: bool = True, sees_training: bool = False) -> Scheme:
    """Makes the scheme that fills every axis by `fill`."""
    fills = alike(fill)
    convolve = partial(convolve_filled, fills)
    return Scheme(fill.name, convolve, survives_fusing, fills=fills, sees_training=sees_training)


def convolve_filled(
    fills: Callable[[int], Sequence[Fill]],
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    geometry: Geometry,
    training: bool = False,
) -> Tensor:
    """Fills the map's border, then convolves it without padding."""
    axes = len(geometry.pads)
    return unpadded(surround(input, geometry.pads, fills(axes), training), weight, bias, geometry)


def surround(
    input: Tensor, pads: Pads, fills: Sequence[Fill | None], training: bool = False, source: Tensor | None = None
) -> Tensor:
    """Pads `input`, (N, C, *sizes), with one `Fill` per axis; None leaves an axis as it is.

    `source` is the unpadded map to measure, if an axis of `input` was filled already.

    Raises:
        PaddingError: the map is smaller than what a fill reads.
    """
    chosen = [
        (axis, fill, pair)
        for axis, (fill, pair) in enumerate(zip(fills, pads, strict=True), start=2)
        if fill is not None and pair != (0, 0)
    ]
    if not chosen:
        return input
    check_room(input, pads, fills)
    regions = [
        _region(input, axis, fill, amount, side) for axis, fill, pair in chosen for side, amount in enumerate(pair)
    ]
    measured = {}
    for _, fill, _ in chosen:
        if fill.measure is not None and fill not in measured:
            measured[fill] = fill.measure(input if source is None else source, training)
    # `_Bands` is for eager training only; elsewhere views suffice.
    if is_traced(input) or not (torch.is_grad_enabled() and input.requires_grad):
        bands = [input.narrow(*region) for region in regions]
    else:
        input, *bands = _Bands.apply(input, regions)
    near = iter(zip(bands, regions, strict=True))
    strips: list[tuple[int, Tensor, Tensor]] = []
    for axis, fill, pair in chosen:
        told = measured[fill][axis - 2] if fill in measured else None
        before, after = [_strip(*next(near), fill, amount, side, strips, told) for side, amount in enumerate(pair)]
        strips.append((axis, before, after))
    return joined(input, strips)


def check_room(input: Tensor, pads: Pads, fills: Sequence[Fill | None]) -> None:
    """Raises PaddingError if the map is smaller than what a fill reads."""
    sizes = input.shape[2:]
    for size, pair, fill in zip(sizes, pads, fills, strict=True) if may_compare(sizes) else ():
        amount = max(pair)
        if fill is not None and amount > 0 and (reach := fill.reach(amount, size)) > size:
            raise PaddingError(
                f"{fill.name} padding of {amount} needs a map of at least {reach} positions along that axis, and it is "
                f"{'x'.join(map(str, sizes))} here; give the network larger inputs, or use 'replicate', which has no "
                "limit"
            )


def _region(input: Tensor, axis: int, fill: Fill, amount: int, side: int) -> tuple[int, int, int]:
    """(axis, start, length) of the region that `fill` reads for one side; side 0 is before the map."""
    size = input.shape[axis]
    reach = fill.reach(amount, size)
    return axis, 0 if (side == 0) != fill.opposite else size - reach, reach


def _strip(
    band: Tensor,
    region: tuple[int, int, int],
    fill: Fill,
    amount: int,
    side: int,
    strips: list[tuple[int, Tensor, Tensor]],
    measured: Any,
) -> Tensor:
    """The ring at one side of an axis, which spans the ring of the axes filled before."""
    for axis, first, last in strips:
        band = torch.cat([first.narrow(*region), band, last.narrow(*region)], axis)
    near = band.movedim(region[0], -1)
    # A traced amount may be a tensor or symbolic; comparing it would tie the graph to one size.
    if isinstance(amount, int) and amount == 0:
        return band.narrow(region[0], 0, 0)
    values = fill.ring(_flipped(near) if (side == 1) != fill.opposite else near, amount, measured)
    if not is_traced(values) and values.shape != (*near.shape[:-1], amount):
        raise PaddingError(
            f"{fill.name} must return {(*near.shape[:-1], amount)}, and returned {tuple(values.shape)}; `near` holds "
            f"{near.shape[-1]} positions, as many as `reach` says"
        )
    return (_flipped(values) if side == 0 else values).movedim(-1, region[0]).to(band.dtype)


def _flipped(values: Tensor) -> Tensor:
    # flip copies, which a single position does not need.
    return values if values.shape[-1] == 1 else values.flip(-1)


def joined(center: Tensor, strips: list[tuple[int, Tensor, Tensor]]) -> Tensor:
    """Joins a map and its ring; each of the strips (axis, before, after) spans the ring of the axes before its own."""
    pieces = [piece for _, *pair in strips for piece in pair]
    if is_traced(center, *pieces):
        for axis, first, last in strips:
            center = torch.cat([first, center, last], axis)
        return center
    frame = [(axis, first.shape[axis], last.shape[axis]) for axis, first, last in strips]
    if torch.is_grad_enabled() and any(piece.requires_grad for piece in (center, *pieces)):
        return _Joined.apply(frame, center, *pieces)
    return _assembled(frame, center, *pieces)


def _assembled(frame: list[tuple[int, int, int]], *pieces: Tensor) -> Tensor:
    center = pieces[0]
    sizes = list(center.shape)
    for axis, before, after in frame:
        sizes[axis] += before + after
    output = torch.empty(sizes, dtype=center.dtype, device=center.device, memory_format=_memory_format(center))
    for place, piece in zip(_places(output, frame), pieces, strict=True):
        place.copy_(piece)
    return output


def _places(whole: Tensor, frame: list[tuple[int, int, int]]) -> list[Tensor]:
    """Views of `whole` at the map and at each strip; a strip spans the ring of the axes before its own."""
    views: list[Tensor] = []
    for axis, before, after in reversed(frame):
        inside = whole.shape[axis] - before - after
        views = [whole.narrow(axis, 0, before), whole.narrow(axis, before + inside, after), *views]
        whole = whole.narrow(axis, before, inside)
    return [whole, *views]


def _memory_format(map: Tensor) -> torch.memory_format:
    last = {4: torch.channels_last, 5: torch.channels_last_3d}.get(map.dim())
    if last and not map.is_contiguous() and map.is_contiguous(memory_format=last):
        return last
    return torch.contiguous_format


class _Bands(torch.autograd.Function):
    """Returns a map and copies of bands of it; backward adds the bands' gradients in place, not as whole maps."""

    @staticmethod
    def forward(ctx: Any, input: Tensor, regions: list[tuple[int, int, int]]) -> tuple[Tensor, ...]:
        ctx.regions = regions
        ctx.set_materialize_grads(False)
        return input.view_as(input), *(input.narrow(*region).clone() for region in regions)

    @staticmethod
    def backward(ctx: Any, center: Tensor, *bands: Tensor | None) -> tuple[Tensor, None]:
        gradient = center.clone()
        for region, band in zip(ctx.regions, bands, strict=True):
            if band is not None:
                gradient.narrow(*region).add_(band)
        return gradient, None


class _Joined(torch.autograd.Function):
    """`_assembled` for training; in the backward pass every piece gets a view of the gradient."""

    @staticmethod
    def forward(ctx: Any, frame: list[tuple[int, int, int]], *pieces: Tensor) -> Tensor:
        ctx.frame = frame
        return _assembled(frame, *pieces)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        return None, *_places(gradient, ctx.frame)
