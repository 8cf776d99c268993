"""Loads pretrained weights into the encoder of a segmentation network.

Partial Convolution based Padding (Liu et al. 2018), Table 5, https://arxiv.org/abs/1811.11718

Table 5 says "trained from the scratch"; one of its authors said later that both arms were fine-tuned from ImageNet
weights trained with zero padding. Random weights are the default; this module follows the later statement. Such weights
have another scheme than the network under partial padding, so loading does not compare the two schemes.
"""

from pathlib import Path

from torch import Tensor, nn

from networks.create import NetworkError, PretrainedError
from networks.deeplabv3plus import DeepLabV3Plus, create_encoder
from networks.initial_weights import read_weights, refuse_misfit

FROM_TIMM = "timm"


def load_encoder_weights(network: DeepLabV3Plus, source: str) -> None:
    """Loads pretrained weights into the encoder, in place; the head keeps its weights.

    Args:
        network: a segmentation network.
        source: "timm" for timm's weights of that encoder (downloaded if they are not in its cache), or the path of a
            file for `read_weights` with the weights of a classification network, whose head is ignored.

    Raises:
        NetworkError: timm has no weights; the file cannot be read, holds another network, or lacks a tensor of the
            right shape for one of the encoder's. The network is unchanged then.
    """
    if source == FROM_TIMM:
        _load_from_timm(network)
    else:
        _load_from_checkpoint(network, Path(source))


def _load_from_timm(network: DeepLabV3Plus) -> None:
    name = network.encoder_name
    try:
        pretrained = create_encoder(name, network.output_stride, {**network.encoder_args, "pretrained": True})
    except PretrainedError:
        raise
    except NetworkError as error:
        raise NetworkError(
            f"no pretrained weights from timm for encoder '{name}': {error}; give the path of a checkpoint instead"
        ) from error
    network.encoder.load_state_dict(pretrained.state_dict())


def _load_from_checkpoint(network: DeepLabV3Plus, path: Path) -> None:
    given, origin = read_weights(path)
    found = origin.get("network")
    if found is not None and _architecture(found) != _architecture(network.encoder_name):
        raise NetworkError(
            f"{path} holds {found}, but the encoder is {network.encoder_name}; give a checkpoint of that"
        )
    trunk = _trunk(network.encoder)
    # `_match` raises before anything is loaded, so that an error leaves the network unchanged.
    trunk.load_state_dict(_match(trunk, given, path))


def _architecture(name: str) -> str:
    return str(name).partition(".")[0]  # timm's names may end in a tag of pretrained weights


def _trunk(encoder: nn.Module) -> nn.Module:
    """The module that holds the encoder's layers: the only child of some of timm's feature networks, or the encoder."""
    children = dict(encoder.named_children())
    return next((children[name] for name in ("model", "body") if children.keys() == {name}), encoder)


def _match(trunk: nn.Module, given: dict[str, Tensor], path: Path) -> dict[str, Tensor]:
    """Selects the trunk's state dict from a whole network's; tensors of none of its children are the classifier's."""
    wanted = trunk.state_dict()
    names = {child: _name_in_network(child, given) for child in {key.partition(".")[0] for key in wanted}}
    sources = {key: _renamed(key, names) for key in wanted}
    of_trunk = tuple(f"{name}." for name in names.values())
    unexpected = {key for key in given if key.startswith(of_trunk)} - set(sources.values())
    refuse_misfit(path, "the encoder", {source: wanted[key] for key, source in sources.items()}, given, unexpected)
    return {key: given[source] for key, source in sources.items()}


def _name_in_network(child: str, given: dict[str, Tensor]) -> str:
    """The network's name of a child of its feature network: timm turns `blocks.0` into `blocks_0`."""
    candidates = [child, *(f"{child[:at]}.{child[at + 1 :]}" for at, letter in enumerate(child) if letter == "_")]
    return next((name for name in candidates if any(key.startswith(f"{name}.") for key in given)), child)


def _renamed(key: str, names: dict[str, str]) -> str:
    child, dot, rest = key.partition(".")
    return f"{names[child]}{dot}{rest}"
