"""What the tests of masks share: batches of different sizes, and the comparison with one image after the other."""

import pytest
import torch

from padding import forward_masked, forward_singly


def batch_of(sizes, canvas=None, channels=3, dtype=torch.float64, outside=float("nan"), seed=0):
    """Random images at the top left of a canvas that holds `outside` elsewhere."""
    generator = torch.Generator().manual_seed(seed)
    height, width = canvas or (max(h for h, _ in sizes) + 3, max(w for _, w in sizes) + 2)
    images = torch.full((len(sizes), channels, height, width), outside, dtype=dtype)
    for image, (h, w) in zip(images, sizes, strict=True):
        image[:, :h, :w] = torch.randn(channels, h, w, generator=generator, dtype=torch.float64).to(dtype)
    return images


def tensors(output):
    return [output] if isinstance(output, torch.Tensor) else [each for part in output for each in tensors(part)]


def worst_difference(model, images, sizes, **options):
    """The largest difference between the canvas and single images, over the scale of each output; shapes must agree."""
    masked, single = forward_masked(model, images, sizes, **options), forward_singly(model, images, sizes)
    worst = 0.0
    pairs = zip(*map(tensors, (masked.output, single.output)), strict=True)
    for found, expected in pairs:
        if expected.dim() > 2:
            assert found[(..., *map(slice, expected.shape[2:]))].shape == expected.shape
            assert found.count_nonzero() == found[(..., *map(slice, expected.shape[2:]))].count_nonzero()
            found = found[(..., *map(slice, expected.shape[2:]))]
        worst = max(worst, float((found - expected).detach().abs().max() / expected.detach().abs().max()))
    for found, expected in zip(_rows(masked.valid), _rows(single.valid), strict=True):
        assert (found is None and expected is None) or torch.equal(found, expected)
    return worst


def _rows(valid):
    return (
        [valid]
        if valid is None or isinstance(valid, torch.Tensor)
        else [each for part in valid for each in _rows(part)]
    )


@pytest.fixture(name="batch_of")
def batch_of_fixture():
    return batch_of


@pytest.fixture(name="worst_difference")
def worst_difference_fixture():
    return worst_difference
