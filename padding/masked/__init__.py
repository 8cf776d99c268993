"""Masks carried through whole networks: images of different sizes, padded to one."""

from padding.masked.forward import forward_masked
from padding.masked.loop import Masked, forward_singly

__all__ = ["Masked", "forward_masked", "forward_singly"]
