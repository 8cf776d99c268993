"""Computes which positions along an axis are valid after a sliding window, in integers, per image.

There are two rules. `fixed`: a position is valid if it exists when the network runs on that image alone. `grow` (Eq. 3
of Liu et al. 2018): a position is valid if its window read at least one valid position.
"""

from functools import lru_cache
from typing import NamedTuple

from padding.errors import PaddingError
from padding.geometry import output_size
from padding.masked.state import Extents, from_lengths
from padding.ratio import valid_taps

FIXED, GROW = "fixed", "grow"
RULES = (FIXED, GROW)


class Window(NamedTuple):
    """A window that slides along one axis."""

    kernel: int
    stride: int
    before: int
    after: int
    dilation: int
    ceil: bool = False
    """Whether a last window that begins inside and reaches beyond the padding counts (ceil_mode of pools)."""

    def reads_outside(self, rule: str) -> bool:
        """Whether the window of a valid output may contain invalid positions."""
        pads = self.before > 0 or self.after > 0 or self.ceil
        return pads or (rule == GROW and (self.kernel > 1 or self.stride > 1))

    def outputs(self, size: int) -> int:
        """The number of windows along an axis of `size` positions."""
        if not self.ceil:
            return output_size(size, self.kernel, self.stride, (self.before, self.after), self.dilation)
        room = size + self.before + self.after - self.dilation * (self.kernel - 1) - 1
        outputs = -(-room // self.stride) + 1
        # torch drops a last window that would begin in the padding after the map.
        return outputs - 1 if (outputs - 1) * self.stride >= size + self.before else outputs


# Layers and batches repeat the same few windows and extents.
@lru_cache(maxsize=1 << 14)
def slide(extents: Extents, window: Window, outputs: int, rule: str) -> Extents:
    """Computes the valid positions of an output that has `outputs` windows along the whole axis.

    Raises:
        PaddingError: under `fixed`, an image has no valid position left; under `grow`, valid positions have gaps.
    """
    if rule == GROW:
        return tuple(_grown(extent, window, outputs) for extent in extents)
    lengths = [window.outputs(stop - start) for start, stop in extents]
    for image, length in enumerate(lengths):
        if length < 1:
            raise PaddingError(
                f"image {image} is too small for this network: {extents[image][1] - extents[image][0]} positions are "
                f"left of it here, which a window of {window.kernel} does not fit; leave it out, or enlarge it"
            )
    return from_lengths(lengths)


def _grown(extent: tuple[int, int], window: Window, outputs: int) -> tuple[int, int]:
    found = [at for at, count in enumerate(taps_inside(extent, window, outputs)) if count > 0]
    if not found:
        return (0, 0)
    first, last = found[0], found[-1]
    if len(found) != last - first + 1:
        raise PaddingError(
            f"the valid positions behind a window of {window.kernel} taps, {window.dilation} apart, have gaps between "
            "them, which a rectangle cannot describe; use rule 'fixed'"
        )
    return first, last + 1


@lru_cache(maxsize=1 << 14)
def taps_inside(extent: tuple[int, int], window: Window, outputs: int) -> tuple[int, ...]:
    """The number of taps of each window along the axis that fall on valid positions."""
    start, stop = extent
    before = window.before + start
    return tuple(valid_taps(stop - start, outputs, window.kernel, window.stride, before, window.dilation).tolist())
