"""Parts of single images put on one canvas."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor


def paste(parts: Sequence[Tensor]) -> Tensor:
    """Tensors (1, *sizes) one behind the other along axis 0, each at the beginning of every other axis, 0 elsewhere."""
    shape = [max(sizes) for sizes in zip(*(part.shape for part in parts), strict=True)]
    return torch.cat([_padded(part, shape) for part in parts])


def _padded(part: Tensor, shape: Sequence[int]) -> Tensor:
    room = [(0, size - own) for size, own in zip(shape, part.shape, strict=True)]
    return F.pad(part, [amount for pair in reversed(room) for amount in pair])
