"""Scores from tiles against the whole image, and against a loop over pixels in float64."""

import weakref

import pytest
import torch
from torch import nn

from evaluation import EvaluationError, predict_tiled, predict_whole, tile_boxes

CLASSES = 5


@pytest.fixture
def image():
    return torch.randn(1, 3, 23, 37, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def network():
    """Two padded convolutions: what it says of a pixel depends on where the tile's border is."""
    torch.manual_seed(2)
    return nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, CLASSES, 5, padding=2)).eval()


@pytest.fixture(autouse=True)
def _without_gradients():
    with torch.no_grad():
        yield


def by_pixel(network, image, size, overlap, of_tile=lambda logits: logits):
    """For each pixel the mean over the tiles that hold it, one pixel at a time in float64."""
    height, width = image.shape[-2:]
    found = {}
    for top, left, bottom, right in tile_boxes(height, width, size, overlap):
        scores = of_tile(network(image[:, :, top:bottom, left:right])[0].double())
        for row in range(top, bottom):
            for column in range(left, right):
                found.setdefault((row, column), []).append(scores[:, row - top, column - left])
    mean = torch.full((CLASSES, height, width), float("nan"), dtype=torch.float64)
    for (row, column), scores in found.items():
        mean[:, row, column] = torch.stack(scores).mean(0)
    return mean, max(map(len, found.values()))


@pytest.mark.parametrize(("size", "overlap"), [(8, 0), (8, 1 / 3), (16, 0.5), (30, 0.9), (100, 1 / 3), (1, 0)])
def test_a_pointwise_network_gives_the_same_map_tiled_and_whole(image, size, overlap):
    torch.manual_seed(3)
    pointwise = nn.Conv2d(3, CLASSES, 1).double()
    whole = predict_whole(pointwise, image.double())
    torch.testing.assert_close(predict_tiled(pointwise, image.double(), size, overlap), whole, rtol=0, atol=1e-13)


def test_whole_image_is_what_the_network_says(network, image):
    assert torch.equal(predict_whole(network, image), network(image)[0])
    assert torch.equal(predict_whole(network, image[0]), network(image)[0])


@pytest.mark.parametrize(("size", "overlap"), [(8, 0), (9, 1 / 3), (16, 0.5), (20, 0.75)])
def test_logits_are_averaged_over_the_tiles_that_hold_a_pixel(network, image, size, overlap):
    expected, most = by_pixel(network, image, size, overlap)
    assert most > 2
    torch.testing.assert_close(predict_tiled(network, image, size, overlap).double(), expected, rtol=0, atol=1e-6)


def test_probabilities_are_averaged_after_each_tiles_softmax(network, image):
    expected, _ = by_pixel(network, image * 4, 16, 0.5, lambda logits: logits.softmax(0))
    found = predict_tiled(network, image * 4, 16, 0.5, average="probabilities").double()
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)
    of_mean = predict_tiled(network, image * 4, 16, 0.5).double().softmax(0)
    assert (found - of_mean).abs().max() > 1e-3


def test_half_precision_logits_are_summed_in_float32(image):
    """Sums of bfloat16 round: 256 + 1 is 256."""
    calls = iter([256.0, 1.0, 1.0])

    def network(tile):
        return torch.full((1, CLASSES, *tile.shape[-2:]), next(calls), dtype=torch.bfloat16)

    row = image[..., :4, :6]
    scores = predict_tiled(network, row, 4, 0.75)
    assert scores.dtype == torch.float32
    assert scores[0, 0].tolist() == [256, 257 / 2, 258 / 3, 258 / 3, 1, 1]
    assert predict_whole(lambda tile: tile.bfloat16(), row).dtype == torch.float32
    assert predict_whole(lambda tile: tile.double(), row).dtype == torch.float64


def test_one_image_of_scores_is_held_besides_the_tile(image):
    """Each tile's scores are gone when the network is asked for the next."""
    seen = []

    def network(tile):
        assert all(reference() is None for reference in seen)
        logits = tile.clone()
        # The storage lives as long as any tensor made from it.
        seen.append(weakref.ref(logits.untyped_storage()))
        return logits

    predict_tiled(network, image, 10, 0)
    assert len(seen) == 12


def test_the_image_is_left_as_it_was(network, image):
    before = image.clone()
    predict_tiled(nn.Identity(), image, 10, 0.5)
    predict_whole(nn.Identity(), image)
    assert torch.equal(image, before)


def test_an_unknown_average_is_refused(network, image):
    with pytest.raises(EvaluationError, match=r"'votes'.*logits, probabilities"):
        predict_tiled(network, image, 10, 0, average="votes")


@pytest.mark.parametrize("shape", [(2, 3, 8, 8), (8, 8), (1, 1, 3, 8, 8)])
def test_more_than_one_image_is_refused(network, shape):
    for predict in (predict_whole, lambda *arguments: predict_tiled(*arguments, 4, 0)):
        with pytest.raises(EvaluationError, match="one image at a time"):
            predict(network, torch.zeros(shape))


def test_a_network_of_smaller_logits_is_refused(image):
    with pytest.raises(EvaluationError, match=r"\(1, 3, 12, 19\) for an image of \(1, 3, 23, 37\)"):
        predict_whole(lambda tile: tile[..., ::2, ::2], image)
