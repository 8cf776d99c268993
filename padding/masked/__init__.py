"""Runs whole networks on images of different sizes padded to one size, with a mask of the valid part of each map."""

from padding.masked.forward import forward_masked
from padding.masked.loop import Masked, forward_singly

__all__ = ["Masked", "forward_masked", "forward_singly"]
