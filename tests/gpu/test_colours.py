"""Jitter and blur on the device: Pillow's bytes, and nothing that waits for the device."""

import numpy as np
import pytest
import torch

from datamodules.cityscapes.colours import colour_on_device, colour_with_pillow, draw_colours
from datamodules.loading import keyed
from tests.datamodules.support import picture


@pytest.mark.parametrize("number", range(8))
def test_the_bytes_are_pillows(number, device):
    images = [picture(96, 64, seed) for seed in range(2)]
    colours = [draw_colours(0.25, (0.15, 1.3), keyed.generator("test", number, seed)) for seed in range(2)]
    batch = torch.stack([torch.from_numpy(np.array(image)).permute(2, 0, 1) for image in images]).to(device)
    found = colour_on_device(batch, colours).cpu().permute(0, 2, 3, 1).numpy().astype(int)
    expected = [np.asarray(colour_with_pillow(*each)).astype(int) for each in zip(images, colours, strict=True)]
    apart = np.abs(found - np.stack(expected))
    # Another order of additions may turn a tie; never more.
    assert apart.max() <= 1
    assert (apart > 0).mean() < 1e-3


@pytest.mark.needs_cuda
def test_nothing_waits(device):
    batch = torch.zeros(2, 3, 32, 32, dtype=torch.uint8, device=device)
    colours = [draw_colours(0.25, (0.15, 1.3), keyed.generator("test", seed)) for seed in range(2)]
    torch.cuda.set_sync_debug_mode("error")
    try:
        colour_on_device(batch, colours)
    finally:
        torch.cuda.set_sync_debug_mode("default")
