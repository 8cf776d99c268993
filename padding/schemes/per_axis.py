"""Schemes with one name per axis, as `zero,circular`: the first for rows, the second for columns.

Axes are filled one after the other, so a corner is the later axis' fill of the earlier axis' ring; statistics come from
the unpadded map. Zeros after the last fill are left to the convolution. The ratio is a product of one factor per axis,
so an axis under `partial` gets its own factor, which is exact.
"""

from torch import Tensor

from padding.errors import PaddingError
from padding.geometry import Geometry, Pads
from padding.ratio import powered
from padding.registry import Scheme, find_scheme, register_family
from padding.schemes.convolve import zero_padded
from padding.schemes.partial import reweighted
from padding.schemes.ring import Fill, surround

_ZEROS = Fill("zero", lambda near, amount, measured: near.new_zeros(()).expand(*near.shape[:-1], amount))


@register_family(",")
def per_axis(name: str) -> Scheme:
    """Makes the scheme of a list of names; equal names give the scheme of that name."""
    words = name.replace(" ", "").split(",")
    members = [find_scheme(word) for word in words]
    if not 2 <= len(members) <= 3:
        raise PaddingError(
            f"padding scheme {name!r} names {len(members)} axes; name one scheme, or 2 or 3 for as many axes"
        )
    if alone := [each.name for each in members if not _is_of_one_axis(each)]:
        raise PaddingError(f"padding scheme {name!r}: {alone[0]!r} is no scheme of one axis; use it alone")
    if len({member.name for member in members}) == 1:
        return members[0]
    if name != (plain := ",".join(member.name for member in members)):
        return find_scheme(plain)
    exponents = tuple(member.power or 0.0 for member in members)

    def convolve(
        input: Tensor, weight: Tensor, bias: Tensor | None, geometry: Geometry, training: bool = False
    ) -> Tensor:
        if len(geometry.pads) != len(members):
            raise PaddingError(f"{name!r} names {len(members)} axes, and this layer has {len(geometry.pads)}")
        input, pads = _filled(input, geometry.pads, members, training)
        geometry = geometry._replace(pads=pads, symmetric=all(before == after for before, after in pads))
        if any(exponents):
            return reweighted(input, weight, bias, geometry, powered(exponents))
        return zero_padded(input, weight, bias, geometry)

    survives = all(member.survives_fusing for member in members)
    files = tuple(file for member in members for file in member.files)
    training = any(each.sees_training for each in members)
    return Scheme(name, convolve, survives, axes=len(members), files=files, sees_training=training)


def _is_of_one_axis(scheme: Scheme) -> bool:
    return bool(scheme.convolve is None or scheme.power or scheme.fills or scheme.pad)


def _filled(input: Tensor, pads: Pads, members: list[Scheme], training: bool) -> tuple[Tensor, Pads]:
    """Fills every axis but those under zeros and under a ratio; returns the map and the pads of the other axes."""
    fills = [None if member.fills is None else member.fills(1)[0] for member in members]
    last = max(
        (axis for axis, each in enumerate(members) if each.pad or ((fill := fills[axis]) and not fill.linear)),
        default=0,
    )
    # Zeros that a later axis reads and may turn into other values go into the map; the convolution adds the others.
    fills = [_ZEROS if each.convolve is None and axis < last else fills[axis] for axis, each in enumerate(members)]
    filled = [axis for axis, member in enumerate(members) if fills[axis] or member.pad]
    source = input
    if not any(member.pad for member in members):
        input = surround(input, _only(pads, filled), fills, training)
    else:
        for axis in filled:
            only = _only(pads, [axis])
            pad = members[axis].pad
            input = pad(input, only, training) if pad else surround(input, only, fills, training, source)
    return input, _only(pads, [axis for axis in range(len(pads)) if axis not in filled])


def _only(pads: Pads, axes: list[int]) -> Pads:
    return tuple(pair if axis in axes else (0, 0) for axis, pair in enumerate(pads))
