"""Pretrained weights for the encoder of a segmentation network.

Partial Convolution based Padding (Liu et al. 2018), Table 5, https://arxiv.org/abs/1811.11718

Table 5 says "trained from the scratch"; one of its authors said later that both arms were fine-tuned from ImageNet
weights trained with zero padding. Random weights are the default, and this module is the other reading: there the
scheme of the weights differs from the network's, so the two are not compared.
"""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from networks.create import NetworkError
from networks.deeplabv3plus import DeepLabV3Plus
from networks.encoder import create_encoder
from networks.weights_file import describe_content, describe_unreadable

FROM_TIMM = "timm"
_NETWORK = "network."
"""What precedes a network's tensors in the state dict of a LightningModule of this suite."""


def load_encoder_weights(network: DeepLabV3Plus, source: str) -> None:
    """Puts pretrained weights into the encoder, in place; the head keeps its own.

    Args:
        source: "timm" for timm's weights of that encoder (downloaded where they are not in its cache), or the path of a
            classification checkpoint of this suite. The classifier in it is left out.

    Raises:
        NetworkError: if timm has no weights; if the file cannot be read, holds another network, or does not give a
            tensor of the right shape for each of the encoder's. The network is unchanged then.
    """
    if source == FROM_TIMM:
        _load_from_timm(network)
    else:
        _load_from_checkpoint(network, Path(source))


def _load_from_timm(network: DeepLabV3Plus) -> None:
    name = network.encoder_name
    try:
        pretrained = create_encoder(name, network.output_stride, {**network.encoder_args, "pretrained": True})
    except (OSError, ValueError, RuntimeError) as error:
        raise NetworkError(
            f"no pretrained weights from timm for encoder '{name}': {error}; without access to the network, give the "
            "path of a checkpoint of this suite instead"
        ) from error
    network.encoder.load_state_dict(pretrained.state_dict())


def _load_from_checkpoint(network: DeepLabV3Plus, path: Path) -> None:
    checkpoint = _read(path)
    found = checkpoint.get("network")
    if _architecture(found) != _architecture(network.encoder_name):
        raise NetworkError(
            f"{path} holds {found}, but the encoder is {network.encoder_name}; give a checkpoint of that"
        )
    given = {
        key.removeprefix(_NETWORK): tensor
        for key, tensor in checkpoint["state_dict"].items()
        if key.startswith(_NETWORK)
    }
    trunk = _trunk(network.encoder)
    trunk.load_state_dict(_match(trunk, given, path))


def _read(path: Path) -> dict[str, Any]:
    """A checkpoint as Lightning writes it. Only tensors and plain values are unpickled, so no code of the file runs."""
    todo = f"give a checkpoint from a run folder of a classification, or '{FROM_TIMM}'"
    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    # Anything may come out of the unpickler on a foreign file: KeyError, IndexError, EOFError, UnpicklingError.
    except Exception as error:
        raise NetworkError(f"{path} {describe_unreadable(path, error)}; {todo}") from error
    if not isinstance(checkpoint, dict) or not {"state_dict", "network"} <= checkpoint.keys():
        raise NetworkError(f"{path} is no checkpoint of this suite: it {describe_content(checkpoint)}; {todo}")
    return checkpoint


def _architecture(name: str) -> str:
    return str(name).partition(".")[0]  # timm's names may carry a tag of pretrained weights


def _trunk(encoder: nn.Module) -> nn.Module:
    """The modules themselves, where timm's feature network holds the whole network as its only child."""
    children = dict(encoder.named_children())
    return next((children[name] for name in ("model", "body") if children.keys() == {name}), encoder)


def _match(trunk: nn.Module, given: dict[str, Tensor], path: Path) -> dict[str, Tensor]:
    """The trunk's state dict out of a whole network's; what belongs to none of its children is the classifier."""
    wanted = trunk.state_dict()
    names = {child: _name_in_network(child, given) for child in {key.partition(".")[0] for key in wanted}}
    sources = {key: _renamed(key, names) for key in wanted}
    missing = [source for source in sources.values() if source not in given]
    of_trunk = tuple(f"{name}." for name in names.values())
    unexpected = sorted({key for key in given if key.startswith(of_trunk)} - set(sources.values()))
    shapes = [
        f"{source} {tuple(given[source].shape)} instead of {tuple(wanted[key].shape)}"
        for key, source in sources.items()
        if source in given and given[source].shape != wanted[key].shape
    ]
    problems = {"missing": missing, "unexpected": unexpected, "of another shape": shapes}
    if any(problems.values()):
        text = "; ".join(f"{what}: {_shortened(keys)}" for what, keys in problems.items() if keys)
        raise NetworkError(
            f"{path} does not fit the encoder: {text}; give a checkpoint of the same network and arguments"
        )
    return {key: given[source] for key, source in sources.items()}


def _name_in_network(child: str, given: dict[str, Tensor]) -> str:
    """What the network calls a child of its feature network: timm turns `blocks.0` into `blocks_0`."""
    candidates = [child, *(f"{child[:at]}.{child[at + 1 :]}" for at, letter in enumerate(child) if letter == "_")]
    return next((name for name in candidates if any(key.startswith(f"{name}.") for key in given)), child)


def _renamed(key: str, names: dict[str, str]) -> str:
    child, dot, rest = key.partition(".")
    return f"{names[child]}{dot}{rest}"


def _shortened(keys: list[str], shown: int = 5) -> str:
    more = f" and {len(keys) - shown} more" if len(keys) > shown else ""
    return ", ".join(keys[:shown]) + more
