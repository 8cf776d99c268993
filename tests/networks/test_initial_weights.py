"""A training begins from weights of this suite, of timm and of torchvision; what does not fit is one message."""

import argparse

import pytest
import torch
import torchvision
from safetensors.torch import save_file

from lightning_modules import ClassificationModule, SegmentationModule
from networks import NetworkError, create_network, load_initial_weights
from records import RunFolder

TINY = "tiny_resnet10"


def network(seed, classes=10, name=TINY):
    torch.manual_seed(seed)
    return create_network(name, classes)


def same(one, other, but=()):
    return all(torch.equal(one[key], other[key]) for key in one if key not in but)


def as_file(kind, state, path):
    """`state` as programs write it; returns the file."""
    options = argparse.Namespace(model="x")
    kinds = {
        "state dict": state,
        "DDP": {f"module.{key}": value for key, value in state.items()},
        "torchvision checkpoint": {"model": state, "optimizer": {}, "args": options},
        "timm checkpoint": {"state_dict": {}, "state_dict_ema": state, "arch": "x", "args": options},
        "ours": {
            "state_dict": {f"network.{key}": value for key, value in state.items()},
            "network": TINY,
            "padding": "x",
        },
    }
    if kind == "safetensors":
        save_file(state, path.with_suffix(".safetensors"))
        return path.with_suffix(".safetensors")
    torch.save(kinds[kind], path)
    return path


@pytest.mark.parametrize(
    "kind", ["state dict", "DDP", "torchvision checkpoint", "timm checkpoint", "safetensors", "ours"]
)
def test_weights_of_every_program(kind, tmp_path):
    given, taken = network(1).state_dict(), network(2)
    line = load_initial_weights(taken, as_file(kind, given, tmp_path / "weights.pth"), 10)
    assert same(given, taken.state_dict())
    assert "weights.pth" in line or "weights.safetensors" in line
    assert ("trained with x padding" in line) == (kind == "ours")


def test_torchvisions_names_become_timms(tmp_path):
    """Of a VGG, whose linear layers are convolutions in timm; without memory for its 130 million weights."""
    with torch.device("meta"):
        theirs, ours = torchvision.models.vgg11_bn(weights=None, num_classes=3), create_network("vgg11_bn", 3)
    torch.save(theirs.state_dict(), tmp_path / "vgg.pth")
    load_initial_weights(ours, tmp_path / "vgg.pth", 3)
    with pytest.raises(NetworkError, match="missing: stem"):
        load_initial_weights(create_network("mixer_s32_224", 3), tmp_path / "vgg.pth", 3)


@pytest.mark.parametrize("module", ["classification", "segmentation"])
def test_another_number_of_classes_gets_new_logits_and_says_so(module, tmp_path):
    def make(classes, seed, **options):
        torch.manual_seed(seed)
        if module == "classification":
            return ClassificationModule(TINY, "partial", classes, **options)
        return SegmentationModule(
            TINY, "partial", classes, output_stride=16, head_channels=4, skip_channels=2, **options
        )

    given = make(10, 1).network.state_dict()
    path = as_file("ours", given, tmp_path / "best.ckpt")
    taken = make(4, 2, init_from=str(path))
    before = {key: value.clone() for key, value in taken.network.state_dict().items()}
    head = {"fc.weight", "fc.bias"} if module == "classification" else {"decoder.classifier.weight"}
    line = load_initial_weights(taken.network, path, 4)
    assert same(given, taken.network.state_dict(), head)
    assert same({key: before[key] for key in head}, taken.network.state_dict())
    assert all(name in line.partition("initialised anew")[2] for name in head)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot be read: No such file or directory"),
        (b"no checkpoint", "is text, no weights"),
        (torch.zeros(3), "holds a single tensor"),
        ({"a": {"b": 1}}, "holds a; give a checkpoint"),
        ({"a": RunFolder(None)}, "holds the object .*RunFolder, which torch refuses to load"),
        ({"conv1.weight": torch.zeros(3)}, "does not fit the network: missing: bn1.weight.*shape: conv1.weight"),
        ({"more": torch.zeros(3)}, "unexpected: more"),
    ],
)
def test_a_file_that_is_no_such_thing_is_one_message_and_changes_nothing(content, message, tmp_path):
    path, taken = tmp_path / "weights.pth", network(2)
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        torch.save(taken.state_dict() | content if "unexpected" in message else content, path)
    before = {key: value.clone() for key, value in taken.state_dict().items()}
    with pytest.raises(NetworkError, match=message) as raised:
        load_initial_weights(taken, path, 10)
    assert str(path) in str(raised.value)
    assert "\n" not in str(raised.value)
    assert same(before, taken.state_dict())
