"""Pretrained weights for the encoder of a segmentation network.

Partial Convolution based Padding (Liu et al. 2018), Table 5, https://arxiv.org/abs/1811.11718

Table 5 says "trained from the scratch"; one of its authors said later that both arms were fine-tuned from ImageNet
weights trained with zero padding. Random weights are the default, and this module is the other reading: there the
scheme of the weights differs from the network's, so the two are not compared.
"""

from pathlib import Path

from torch import Tensor, nn

from networks.create import NetworkError, PretrainedError
from networks.deeplabv3plus import DeepLabV3Plus, create_encoder
from networks.initial_weights import read_weights, refuse_misfit

FROM_TIMM = "timm"


def load_encoder_weights(network: DeepLabV3Plus, source: str) -> None:
    """Puts pretrained weights into the encoder, in place; the head keeps its own.

    Args:
        source: "timm" for timm's weights of that encoder (downloaded where they are not in its cache), or the path of a
            classifier's weights, as of `read_weights`. The classifier in it is left out.

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
    trunk.load_state_dict(_match(trunk, given, path))


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
    of_trunk = tuple(f"{name}." for name in names.values())
    unexpected = {key for key in given if key.startswith(of_trunk)} - set(sources.values())
    refuse_misfit(path, "the encoder", {source: wanted[key] for key, source in sources.items()}, given, unexpected)
    return {key: given[source] for key, source in sources.items()}


def _name_in_network(child: str, given: dict[str, Tensor]) -> str:
    """What the network calls a child of its feature network: timm turns `blocks.0` into `blocks_0`."""
    candidates = [child, *(f"{child[:at]}.{child[at + 1 :]}" for at, letter in enumerate(child) if letter == "_")]
    return next((name for name in candidates if any(key.startswith(f"{name}.") for key in given)), child)


def _renamed(key: str, names: dict[str, str]) -> str:
    child, dot, rest = key.partition(".")
    return f"{names[child]}{dot}{rest}"
