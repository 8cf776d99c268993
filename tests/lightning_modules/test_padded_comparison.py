"""Whole images on a canvas: counted as each alone, against the network on single images and sums of another hand."""

from types import SimpleNamespace

import pytest
import torch
from torch.nn.functional import cross_entropy

from evaluation import confusion_matrix, mean_iou
from lightning_modules import ClassificationModule, ModelError, SegmentationModule, padded_network
from lightning_modules.padded_comparison import PADDED, UNMASKED, Compared, Pair, PairCounts
from padding import PaddingError, UnfollowableError

SIZES = torch.tensor([[40, 40], [24, 40], [40, 21], [33, 29], [17, 39]])
CANVAS = (40, 40)
TARGETS = torch.tensor([0, 1, 2, 3, -1])


def classifier(**changes):
    settings = {"network": "tiny_resnet10", "padding": "partial", "num_classes": 10, **changes}
    return prepared(ClassificationModule(**settings))


def segmenter(**changes):
    small = {"encoder": "tiny_resnet10", "num_classes": 4, "head_channels": 8, "skip_channels": 4}
    return prepared(SegmentationModule(**{**small, "padding": "partial", **changes}))


def prepared(module):
    """As `validate` sets it up, with batch statistics that are not those of a new network."""
    generator = torch.Generator().manual_seed(0)
    for name, buffer in module.named_buffers():
        if name.endswith("running_mean"):
            buffer.normal_(0, 0.2, generator=generator)
        if name.endswith("running_var"):
            buffer.uniform_(0.5, 2, generator=generator)
    module.log_epoch = lambda name, value, prog_bar=False: module.logged.__setitem__(name, float(value))
    module.logged = {}
    module.trainer = SimpleNamespace(datamodule=SimpleNamespace(num_classes=module.num_classes, eval_padded=True))
    module.setup("validate")
    return module.eval()


def canvas(fill=0.0):
    """Noise of different sizes, each at the top left, `fill` beyond it."""
    images = torch.randn(5, 3, *CANVAS, generator=torch.Generator().manual_seed(1))
    for image, (height, width) in zip(images, SIZES.tolist(), strict=True):
        image[:, height:] = fill
        image[:, :, width:] = fill
    return images


def singles(images):
    return [image[None, :, :height, :width] for image, (height, width) in zip(images, SIZES.tolist(), strict=True)]


def classification_batches():
    """Two batches: crops, targets, whole images, sizes. The last image is a stand-in."""
    crops = torch.randn(5, 3, 16, 16, generator=torch.Generator().manual_seed(2))
    whole = canvas()
    return [(crops[part], TARGETS[part], whole[part], SIZES[part]) for part in (slice(0, 2), slice(2, 5))]


def segmentation_batches():
    """Two batches: images, targets, sizes. The last image has no pixel that counts."""
    targets = torch.randint(0, 4, (5, *CANVAS), generator=torch.Generator().manual_seed(3))
    for target, (height, width) in zip(targets, SIZES.tolist(), strict=True):
        target[:3] = target[height:] = target[:, width:] = 255
    targets[4] = 255
    images = canvas()
    return [(images[part], targets[part], SIZES[part]) for part in (slice(0, 2), slice(2, 5))]


@torch.no_grad()
def validated(module, batches) -> Compared:
    module.on_validation_epoch_start()
    for batch in batches:
        module.validation_step(batch)
    module.on_validation_epoch_end()
    return module.compared


@pytest.mark.parametrize("rule", ["fixed", "singly"])
@pytest.mark.parametrize("scheme", ["partial", "zero", "replicate", "circular"])
def test_a_classified_image_counts_as_it_does_alone(scheme, rule):
    module, batches = classifier(padding=scheme, mask_rule=rule), classification_batches()
    compared = validated(module, batches)
    with torch.no_grad():
        alone = torch.cat([module(image) for image in singles(canvas())])[:4]
        cropped = module(torch.cat([batch[0] for batch in batches]))[:4]
        unmasked = torch.cat([module(batch[2]) for batch in batches])[:4]
    for name, logits in (("val", cropped), ("val_padded", alone), ("val_unmasked", unmasked)):
        ranks = (logits > logits[range(4), TARGETS[:4]][:, None]).sum(1)
        assert module.logged[f"{name}/acc1"] == pytest.approx(100 * (ranks < 1).float().mean().item())
        assert module.logged[f"{name}/acc5"] == pytest.approx(100 * (ranks < 5).float().mean().item())
        assert module.logged[f"{name}/loss"] == pytest.approx(cross_entropy(logits, TARGETS[:4]).item(), rel=1e-5)
    classes = {"cropped": cropped.argmax(1), PADDED: alone.argmax(1), UNMASKED: unmasked.argmax(1)}
    pairs = [(PADDED, "cropped"), (UNMASKED, "cropped"), (PADDED, UNMASKED)]
    for pair, (ours, theirs) in zip(compared.pairs, pairs, strict=True):
        right, other = ((classes[way] == TARGETS[:4]).tolist() for way in (ours, theirs))
        better, worse = (sum(a > b for a, b in zip(*each, strict=True)) for each in ((right, other), (other, right)))
        assert pair == Pair(ours, theirs, 4, better, worse, 4, int((classes[ours] != classes[theirs]).sum()))
    figures = {"cropped": "val", PADDED: "val_padded", UNMASKED: "val_unmasked"}
    assert compared.figures == {
        way: pytest.approx({name: module.logged[f"{stage}/{name}"] for name in ("loss", "acc1", "acc5")})
        for way, stage in figures.items()
    }
    # A second pass forgets the first.
    assert validated(module, batches) == compared


@pytest.mark.parametrize("rule", ["fixed", "singly"])
@pytest.mark.parametrize("make", [classifier, segmenter])
def test_nothing_beyond_an_image_matters(make, rule):
    module = make(mask_rule=rule)
    with torch.no_grad():
        expected = module.forward_padded(canvas(), SIZES)
        assert torch.equal(module.forward_padded(canvas(float("nan")), SIZES), expected)
        for number, image in enumerate(singles(canvas())):
            found = expected[number : number + 1]
            if make is segmenter:
                found = found[..., : image.shape[2], : image.shape[3]]
            assert torch.allclose(found, module(image), atol=1e-4)
        assert not torch.allclose(module(canvas()), expected, atol=1e-2)


@pytest.mark.parametrize("rule", ["fixed", "singly"])
def test_scenes_on_a_canvas_count_as_they_do_alone(rule):
    module, batches = segmenter(mask_rule=rule), segmentation_batches()
    compared = validated(module, batches)
    targets = torch.cat([batch[1] for batch in batches])
    with torch.no_grad():
        alone = [module(image)[0] for image in singles(canvas())]
        unmasked = [
            logits[:, :height, :width]
            for logits, (height, width) in zip(
                torch.cat([module(batch[0]) for batch in batches]), SIZES.tolist(), strict=True
            )
        ]
    for name, maps in (("val", alone), ("val_padded", alone), ("val_unmasked", unmasked)):
        counts, losses = torch.zeros(4, 4, dtype=torch.int64), []
        for logits, target in zip(maps, targets, strict=True):
            target = target[: logits.shape[1], : logits.shape[2]]
            counts += confusion_matrix(logits.argmax(0), target, 4)[0]
            losses += (
                (-logits.log_softmax(0))
                .permute(1, 2, 0)[target != 255]
                .gather(1, target[target != 255][:, None])
                .tolist()
            )
        assert module.logged[f"{name}/miou"] == pytest.approx(100 * mean_iou(counts), rel=1e-5)
        assert module.logged[f"{name}/loss"] == pytest.approx(torch.tensor(losses).mean().item(), rel=1e-4)
    own, naive, mask = compared.pairs
    pixels = int((targets != 255).sum())
    assert own == Pair(PADDED, "alone", 4, 0, 0, pixels, 0)
    assert (naive.ours, naive.theirs, naive.images, naive.predictions) == (UNMASKED, "alone", 4, pixels)
    assert (mask.better, mask.worse, mask.otherwise) == (naive.worse, naive.better, naive.otherwise)
    differing = [
        ((a.argmax(0) != b.argmax(0)) & (target[: a.shape[1], : a.shape[2]] != 255)).sum().item()
        for a, b, target in zip(alone, unmasked, targets, strict=True)
    ]
    assert naive.otherwise == sum(differing) > 0
    assert "val/iou/0" in module.logged


def test_a_validation_without_canvases_is_as_ever():
    module, batches = classifier(), classification_batches()
    validated(module, batches)
    with_canvas = {name: value for name, value in module.logged.items() if name.startswith("val/")}
    # What `fit` validates is compared with nothing, also after a comparison.
    module.setup("fit")
    module.compared, module.logged = None, {}
    assert validated(module, [batch[:2] for batch in batches]) is None
    assert module.logged == with_canvas


def test_pairs_count_images_by_how_much_of_each_is_right():
    counts = PairCounts()
    targets = torch.tensor([[0, 0, 0], [1, 1, 1], [2, 2, 2]])
    counts.update(
        torch.tensor([[0, 0, 1], [0, 0, 1], [2, 0, 0]]), torch.tensor([[0, 1, 1], [1, 1, 0], [0, 2, 0]]), targets
    )
    counts.update(torch.tensor([[3]]), torch.tensor([[3]]), torch.tensor([[3]]))
    #                                 images, better, worse, predictions, otherwise
    assert counts.compute().tolist() == [4, 1, 1, 10, 1 + 3 + 2]


def test_predict_takes_whole_images():
    module, images = classifier(mask_rule="singly"), canvas()
    with torch.no_grad():
        found = module.predict_step((images, list("abcde"), SIZES))
        expected = torch.cat([module(image) for image in singles(images)]).softmax(1)
    assert found["paths"] == list("abcde")
    assert torch.allclose(found["probabilities"], expected, atol=1e-6)


def test_a_network_that_cannot_be_followed_is_told_the_way_out(monkeypatch):
    def refuse(*arguments, **options):
        raise UnfollowableError("conv.attend: matmul mixes positions")

    monkeypatch.setattr(padded_network, "forward_masked", refuse)
    with pytest.raises(PaddingError, match=r"matmul mixes positions; --model\.mask_rule=singly"):
        classifier().forward_padded(canvas(), SIZES)
    classifier(mask_rule="singly").forward_padded(canvas(), SIZES)


def test_settings_that_cannot_be_are_refused():
    with pytest.raises(ModelError, match=r"model\.mask_rule is 'shrink'; it must be one of fixed, grow, singly"):
        classifier(mask_rule="shrink")
    with pytest.raises(ModelError, match=r"--model\.compile=false, or --model\.mask_rule=singly"):
        classifier(compile=True)
    data = SimpleNamespace(num_classes=10, eval_padded=True)
    ClassificationModule("tiny_resnet10", "zero", 10, compile=True).check("fit", data)
    ClassificationModule("tiny_resnet10", "zero", 10, compile=True, mask_rule="singly").check("validate", data)
