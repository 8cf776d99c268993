"""What the tests of masks share: batches of different sizes, and the comparison with one image after the other."""

import pytest
import torch

from padding import forward_masked, forward_singly
from padding.masked.call import tensors_in


@pytest.fixture
def batch_of():
    """Random images at the top left of a canvas that holds `outside` elsewhere."""

    def make(sizes, canvas=None, channels=3, dtype=torch.float64, outside=float("nan")):
        generator = torch.Generator().manual_seed(0)
        height, width = canvas or (max(h for h, _ in sizes) + 3, max(w for _, w in sizes) + 2)
        images = torch.full((len(sizes), channels, height, width), outside, dtype=dtype)
        for image, (h, w) in zip(images, sizes, strict=True):
            image[:, :h, :w] = torch.randn(channels, h, w, generator=generator, dtype=torch.float64).to(dtype)
        return images

    return make


@pytest.fixture
def worst_difference():
    """The largest difference between the canvas and single images, over the scale of each output; intervals must agree.

    Without the comparison that `forward_masked` makes: this is the same, closer.
    """

    def compare(model, images, sizes, check=False):
        masked, single = forward_masked(model, images, sizes, check=check), forward_singly(model, images, sizes)
        worst = 0.0
        for found, expected in zip(*map(tensors_in, (masked.output, single.output)), strict=True):
            inside = found[tuple(map(slice, expected.shape))]
            assert inside.shape == expected.shape
            assert inside.dtype == expected.dtype
            assert found.count_nonzero() == inside.count_nonzero()
            inside, expected = inside.detach().double(), expected.detach().double()
            worst = max(worst, float((inside - expected).abs().max() / expected.abs().max().clamp(min=1e-30)))
        rows = zip(*map(tensors_in, (masked.valid, single.valid)), strict=True)
        assert all(torch.equal(*pair) for pair in rows)
        return worst

    return compare
