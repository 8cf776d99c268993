"""An encoder from a classification checkpoint computes what the classifier's trunk does; nothing else is accepted."""

import errno

import pytest
import pytorch_lightning as pl
import timm
import torch
from safetensors import SafetensorError

from lightning_modules import ClassificationModule
from networks import DeepLabV3Plus, NetworkError, create_network, load_encoder_weights
from padding import convert_padding


def segmentation(encoder="tiny_resnet10", output_stride=16, **arguments):
    torch.manual_seed(1)
    return DeepLabV3Plus(encoder, 3, output_stride, head_channels=4, skip_channels=2, **arguments).eval()


def classification(network="tiny_resnet10", padding="zero", **network_args):
    torch.manual_seed(2)
    module = ClassificationModule(network, padding, num_classes=10, network_args=network_args)
    for name, buffer in module.network.named_buffers():
        if "running" in name:
            buffer.uniform_(0.5, 1.5)  # as if it had been trained
    return module


def save(module, path):
    """A checkpoint as the Trainer writes it."""
    trainer = pl.Trainer(accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False)
    trainer.strategy.connect(module)
    trainer.save_checkpoint(path)
    return path


def snapshot(module):
    return {key: value.clone() for key, value in module.state_dict().items()}


def unchanged(module, before):
    return all(torch.equal(value, before[key]) for key, value in module.state_dict().items())


@pytest.mark.parametrize("scheme", ["zero", "partial"])
def test_the_encoder_computes_what_the_classifiers_trunk_does(tmp_path, scheme):
    module, network = classification(padding=scheme), segmentation()
    head = {key: value for key, value in snapshot(network).items() if not key.startswith("encoder.")}
    convert_padding(network, scheme)
    images = torch.randn(1, 3, 64, 80)
    trunk = module.network.eval().forward_features(images)
    assert not torch.allclose(network.encoder(images)[-1], trunk)
    load_encoder_weights(network, str(save(module, tmp_path / "best.ckpt")))
    torch.testing.assert_close(network.encoder(images)[-1], trunk)
    assert head
    assert all(torch.equal(network.state_dict()[key], value) for key, value in head.items())


def test_names_that_timm_changes_in_feature_networks(tmp_path):
    """timm turns `stages.0` into `stages_0`; arguments of the encoder go to both."""
    arguments = {"depths": (1, 1, 1, 1), "dims": (8, 12, 16, 20)}
    module = classification("convnext_atto", **arguments)
    network = segmentation("convnext_atto", encoder_args=arguments)
    assert any("stages_3" in key for key in network.encoder.state_dict())
    load_encoder_weights(network, str(save(module, tmp_path / "best.ckpt")))
    whole = create_network("convnext_atto", 10, output_stride=16, **arguments).eval()
    whole.load_state_dict(module.network.state_dict())
    images = torch.randn(1, 3, 64, 64)
    torch.testing.assert_close(network.encoder(images)[-1], whole.forward_features(images))


@pytest.mark.parametrize(
    "encoder", ["wide_resnet38", "resnet50", "mobilenetv3_small_050", "cspnext_tiny", "xception41"]
)
def test_every_tensor_of_other_encoders_is_found(tmp_path, monkeypatch, encoder):
    """Of many kinds of timm's feature networks, on the meta device."""
    with torch.device("meta"):
        whole, network = create_network(encoder, 10), segmentation(encoder, 8)
    state = {f"network.{key}": value for key, value in whole.state_dict().items()}
    monkeypatch.setattr(torch, "load", lambda *args, **kwargs: {"network": encoder, "state_dict": state})
    load_encoder_weights(network, str(tmp_path / "best.ckpt"))  # strict: it would name what is missing


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"layer2.0.conv1.weight": None}, r"missing: layer2\.0\.conv1\.weight; give"),
        ({"layer2.1.conv1.weight": torch.ones(1)}, r"unexpected: layer2\.1\.conv1\.weight; give"),
        ({"bn1.weight": torch.ones(3)}, r"of another shape: bn1\.weight \(3,\) instead of \(16,\); give"),
        ("resnet18", "holds resnet18, but the encoder is tiny_resnet10"),
    ],
)
def test_a_checkpoint_that_does_not_fit_is_refused(tmp_path, change, message):
    """`change`: other tensors, or another name of the network."""
    path, network = save(classification(), tmp_path / "best.ckpt"), segmentation()
    checkpoint = torch.load(path, weights_only=True)
    if isinstance(change, dict):
        state = checkpoint["state_dict"] | {f"network.{key}": value for key, value in change.items()}
        checkpoint["state_dict"] = {key: value for key, value in state.items() if value is not None}
    else:
        checkpoint["network"] = change
    torch.save(checkpoint, path)
    before = snapshot(network)
    with pytest.raises(NetworkError, match=f"best.ckpt .*{message}"):
        load_encoder_weights(network, str(path))
    assert unchanged(network, before)


def test_a_segmentation_checkpoint_is_no_classifiers(tmp_path):
    network = segmentation()
    state = {f"network.{key}": value for key, value in network.state_dict().items()}
    torch.save({"network": "tiny_resnet10", "padding": "zero", "state_dict": state}, tmp_path / "best.ckpt")
    with pytest.raises(NetworkError, match=r"best\.ckpt does not fit the encoder: missing: conv1\.weight.* more"):
        load_encoder_weights(network, str(tmp_path / "best.ckpt"))


@pytest.mark.parametrize(
    ("content", "found"),
    [(None, "cannot be read"), (b"", "is empty"), (b"no checkpoint", "is text"), (b"PK\x03\x04", "is damaged")],
)
def test_a_file_that_cannot_be_read_is_named(tmp_path, content, found):
    path = tmp_path / "best.ckpt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(NetworkError, match=rf"best\.ckpt {found}"):
        load_encoder_weights(segmentation(), str(path))


def test_timms_weights_are_asked_for_with_the_encoders_arguments(monkeypatch):
    network = segmentation("resnet18", 8, encoder_args={"drop_path_rate": 0.1})
    create, asked = timm.create_model, []

    def pretend(name, pretrained=False, **arguments):
        asked.append((name, pretrained, arguments))
        return create(name, **arguments)

    monkeypatch.setattr(timm, "create_model", pretend)
    before = snapshot(network)
    load_encoder_weights(network, "timm")
    [(name, pretrained, arguments)] = asked
    assert (name, pretrained) == ("resnet18", True)
    assert arguments["drop_path_rate"] == 0.1
    assert arguments["features_only"]
    after = network.state_dict()
    changed = {key for key, value in before.items() if not torch.equal(value, after[key])}
    assert changed == {key for key in before if key.startswith("encoder.") and before[key].dim() == 4}


def test_no_weights_from_timm(monkeypatch):
    with pytest.raises(
        NetworkError, match=r"no pretrained weights from timm for encoder 'tiny_resnet10'.*give the path"
    ):
        load_encoder_weights(segmentation(), "timm")


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (OSError("no route to host"), "are not in the hub's cache .*no route to host.*--model.init_from=FILE"),
        (OSError(errno.ENOSPC, "No space left"), "cannot be kept in, or read from, .*No space left.*HF_HOME"),
        (SafetensorError("HeaderTooLarge"), "are damaged in the hub's cache .*: HeaderTooLarge. Delete them"),
    ],
)
def test_why_pretrained_weights_cannot_be_had(error, says, monkeypatch):
    def fail(*_, **__):
        raise error

    network = segmentation("resnet18", 8)
    monkeypatch.setattr(timm, "create_model", fail)
    with pytest.raises(NetworkError, match=rf"^the pretrained weights of 'resnet18' {says}"):
        load_encoder_weights(network, "timm")
    error = KeyError("a defect")
    with pytest.raises(KeyError):
        load_encoder_weights(network, "timm")
