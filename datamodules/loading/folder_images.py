"""Images without classes, for `predict`."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from PIL import Image
from torch.utils.data import Dataset

from datamodules.loading.decode import decode_rgb
from datamodules.loading.index import FileIndex
from datamodules.loading.samplers import STAND_IN


@dataclass(eq=False)
class FolderImages(Dataset):
    """Images of a folder without classes; for STAND_IN, the first image with an empty path.

    Args:
        files: the indexed files.
        transform: resize and centre crop, or whatever else shows the network an image.
    """

    files: FileIndex
    transform: Callable[[Image.Image, str], torch.Tensor]

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, str]:
        """A uint8 tensor (3, height, width) and its path."""
        path = self.files.path(max(index, 0))
        return self.transform(decode_rgb(path), path), "" if index == STAND_IN else path
