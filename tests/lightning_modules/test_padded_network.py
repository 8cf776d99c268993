"""`validate` on padded batches: each image counts as it does alone, against the network on single images."""

import sys
from types import SimpleNamespace

import pytest
import torch
from torch.nn.functional import cross_entropy

from datamodules import PaddedBatch
from evaluation import confusion_matrix, mean_iou
from lightning_modules import ClassificationModule, ModelError, SegmentationModule
from lightning_modules.image_counts import ImageCounts
from padding import PaddingError, UnfollowableError

SIZES = torch.tensor([[40, 40], [24, 40], [40, 21], [33, 29], [17, 39]])
BATCHES = (slice(0, 2), slice(2, 5))


def classifier(**changes):
    settings = {"network": "tiny_resnet10", "padding": "partial", "num_classes": 10, **changes}
    return prepared(ClassificationModule(**settings))


def segmenter(**changes):
    small = {"encoder": "tiny_resnet10", "num_classes": 4, "head_channels": 8, "skip_channels": 4}
    return prepared(SegmentationModule(**{**small, "padding": "partial", **changes}))


def prepared(module):
    """As `validate` sets it up, with other batch statistics than those of a new network."""
    generator = torch.Generator().manual_seed(0)
    for name, buffer in module.named_buffers():
        if name.endswith("running_mean"):
            buffer.normal_(0, 0.2, generator=generator)
        if name.endswith("running_var"):
            buffer.uniform_(0.5, 2, generator=generator)
    module.log_epoch = lambda name, value, prog_bar=False: module.logged.__setitem__(name, float(value))
    module.all_gather = lambda tensor: tensor
    module.logged = {}
    module.trainer = SimpleNamespace(datamodule=SimpleNamespace(num_classes=module.num_classes, eval_padded=True))
    module.setup("validate")
    return module.eval()


def images(beyond=0.0):
    """Noise of different sizes, each at the top left, `beyond` elsewhere."""
    padded = torch.randn(5, 3, 40, 40, generator=torch.Generator().manual_seed(1))
    for image, (height, width) in zip(padded, SIZES.tolist(), strict=True):
        image[:, height:] = beyond
        image[:, :, width:] = beyond
    return padded


def singles():
    return [image[None, :, :height, :width] for image, (height, width) in zip(images(), SIZES.tolist(), strict=True)]


def class_targets():
    """The last image is a stand-in."""
    return torch.tensor([0, 1, 2, 3, -1])


def map_targets():
    """The last image has no labelled pixel."""
    targets = torch.randint(0, 4, (5, 40, 40), generator=torch.Generator().manual_seed(3))
    for target, (height, width) in zip(targets, SIZES.tolist(), strict=True):
        target[:3] = target[height:] = target[:, width:] = 255
    targets[4] = 255
    return targets


@torch.no_grad()
def validate(module, targets):
    module.on_validation_epoch_start()
    for part in BATCHES:
        module.validation_step(PaddedBatch(images()[part], targets[part], SIZES[part]))
    module.on_validation_epoch_end()
    return module.image_counts.tolist()


def expected_logits(module, rule):
    """Of each image by itself; with the rule "none" of the padded batches as they are, cut to each image's size."""
    if rule != "none":
        return [module(image)[0] for image in singles()]
    logits = torch.cat([module(images()[part]) for part in BATCHES])
    return [each[..., :h, :w] if each.dim() == 3 else each for each, (h, w) in zip(logits, SIZES.tolist(), strict=True)]


@pytest.mark.parametrize(
    ("scheme", "rule"),
    [("partial", "fixed"), ("partial", "singly"), ("zero", "fixed"), ("replicate", "fixed"), ("partial", "none")],
)
def test_classification(scheme, rule):
    module, targets = classifier(padding=scheme, mask_rule=rule), class_targets()
    module.eval_metrics.update(torch.eye(10), torch.arange(10))  # left over from another validation
    counts = validate(module, targets)
    with torch.no_grad():
        logits = torch.stack(expected_logits(module, rule))[:4]
    ranks = (logits > logits[range(4), targets[:4]][:, None]).sum(1)
    assert module.logged == {
        "val/loss": pytest.approx(cross_entropy(logits, targets[:4]).item(), rel=1e-5),
        "val/acc1": pytest.approx(100 * (ranks < 1).float().mean().item()),
        "val/acc5": pytest.approx(100 * (ranks < 5).float().mean().item()),
    }
    assert counts == [[int(rank < 1), 1] for rank in ranks]
    assert module.shown == "padded"
    assert validate(module, targets) == counts, "a second validation starts from 0"


@pytest.mark.parametrize("rule", ["fixed", "singly", "none"])
def test_segmentation(rule):
    module, targets = segmenter(mask_rule=rule), map_targets()
    counts = validate(module, targets)
    confusion, losses, expected = torch.zeros(4, 4, dtype=torch.int64), [], []
    with torch.no_grad():
        logits = expected_logits(module, rule)
    for each, target in zip(logits, targets, strict=True):
        target = target[: each.shape[1], : each.shape[2]]
        labelled = target != 255
        confusion += confusion_matrix(each.argmax(0), target, 4)[0]
        losses += cross_entropy(each[:, labelled].T, target[labelled], reduction="none").tolist()
        expected.append([int((each.argmax(0) == target)[labelled].sum()), int(labelled.sum())])
    assert module.logged["val/miou"] == pytest.approx(100 * mean_iou(confusion), rel=1e-5)
    assert module.logged["val/loss"] == pytest.approx(torch.tensor(losses).mean().item(), rel=1e-4)
    assert "val/iou/0" in module.logged
    assert counts == expected[:4]


@pytest.mark.parametrize("rule", ["fixed", "singly"])
@pytest.mark.parametrize("make", [classifier, segmenter])
def test_values_beyond_an_image_do_not_matter(make, rule):
    module = make(mask_rule=rule)
    with torch.no_grad():
        expected = module.forward_padded(images(), SIZES)
        assert torch.equal(module.forward_padded(images(float("nan")), SIZES), expected)
        assert not torch.allclose(module(images()), expected, atol=1e-2)


def test_predict():
    module = classifier()
    with torch.no_grad():
        found = module.predict_step(PaddedBatch(images(), list("abcde"), SIZES))
        alone = torch.cat([module(image) for image in singles()])
    assert found["paths"] == list("abcde")
    torch.testing.assert_close(found["probabilities"], alone.softmax(1))


def test_fit_keeps_no_counts_of_images():
    module = classifier()
    module.setup("fit")
    assert module.shown == "cropped"
    assert module.counts is None
    module.on_validation_epoch_start()
    module.validation_step((images(), class_targets()))
    module.on_validation_epoch_end()
    assert module.image_counts is None


def test_counts_of_two_processes_stand_in_the_order_of_the_data():
    """Process r of 2 sees images r, r + 2, ...; the last of process 1 is a stand-in."""
    both = [torch.tensor([[10, 20], [12, 22], [14, 24]]), torch.tensor([[11, 21], [13, 23], [0, 0]])]
    counts = ImageCounts()
    counts.update(both[0][:2, 0], both[0][:2, 1])
    counts.update(both[0][2:, 0], both[0][2:, 1])
    assert counts.compute(lambda mine: torch.stack([mine, both[1]])).tolist() == [[n, n + 10] for n in range(10, 15)]
    assert ImageCounts().compute(lambda mine: mine).shape == (0, 2)


def test_an_unknown_rule():
    with pytest.raises(ModelError, match="mask_rule is 'shrink'; it must be one of fixed, grow, singly, none"):
        classifier(mask_rule="shrink")


def test_a_network_that_masks_cannot_follow(monkeypatch):
    """The message names the way out."""

    def refuse(*arguments, **settings):
        raise UnfollowableError("layer1: no rule for einsum")

    # The package's attribute of that name is no module.
    monkeypatch.setattr(sys.modules["lightning_modules.padded_network"], "forward_masked", refuse)
    with pytest.raises(PaddingError, match=r"no rule for einsum; --model\.mask_rule=singly"):
        classifier().forward_padded(images(), SIZES)


@pytest.mark.parametrize("rule", ["fixed", "grow"])
def test_masks_need_an_uncompiled_network(rule):
    with pytest.raises(ModelError, match=r"--model\.compile=false, or --model\.mask_rule=singly"):
        classifier(compile=True, mask_rule=rule)
    for needless in ("singly", "none"):
        classifier(compile=True, mask_rule=needless)


def test_a_cross_test_keeps_the_parameters_of_layers_whose_scheme_stays():
    trained = ClassificationModule("tiny_resnet10", "conv1=constant;*=partial", 10)
    torch.nn.init.constant_(trained.network.conv1.padding_learned, 3)
    checkpoint = {"state_dict": trained.state_dict(), "network": "tiny_resnet10", "padding": trained.padding}
    tested = ClassificationModule("tiny_resnet10", trained.padding, 10, padding_at_test="conv1=constant;*=zero")
    tested.on_load_checkpoint(checkpoint)
    tested.use_test_scheme()
    tested.load_state_dict(checkpoint["state_dict"])
    assert set(tested.network.conv1.padding_learned.tolist()) == {3}
