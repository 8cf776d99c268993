"""Creates a network by name: any timm model; the paper's five are set up as in the paper's code."""

import errno
from difflib import get_close_matches
from pickle import UnpicklingError
from typing import Any
from zipfile import BadZipFile

import timm
from huggingface_hub.constants import HF_HUB_CACHE
from safetensors import SafetensorError
from torch import nn

import networks.small
import networks.wide_resnet38  # noqa: F401  (both register their networks with timm)

PAPER_NETWORKS = ("vgg16_bn", "vgg19_bn", "resnet50", "resnet101", "resnet152")
"""The networks of section 4.1 of Partial Convolution based Padding."""


class NetworkError(ValueError):
    """Raised for a network name or an argument that timm does not accept; the message names it, and similar names."""

    for_users = True


class PretrainedError(NetworkError):
    """Raised if pretrained weights cannot be loaded; the message tells download, disk and damaged file apart."""


OF_THE_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO, errno.ESTALE)
DAMAGED = (SafetensorError, UnpicklingError, BadZipFile, EOFError)
DEFECTS = (LookupError, AttributeError, NameError, ImportError, ArithmeticError, MemoryError)
"""Errors that show a defect in code, not a failed download, a full disk or a damaged file."""


def create_network(name: str, num_classes: int, **arguments: Any) -> nn.Module:
    """Builds timm model `name` with `num_classes` logits, randomly initialised unless `pretrained=True` is given.

    The paper's networks equal torchvision's, which its authors trained: ResNets without zero-initialised residuals,
    VGGs with dropout 0.5 and normal(0, 0.01) weights in the hidden head layers; `arguments` override that. All other
    networks are as timm makes them. `features_only=True` among the arguments gives timm's feature network, without
    logits.

    Raises:
        NetworkError: timm has no such model, or refuses the arguments.
        PretrainedError: the pretrained weights are not on this machine and cannot be downloaded, or cannot be read.
    """
    check_name(name)
    try:
        network = timm.create_model(name, num_classes=num_classes, **{**_paper_arguments(name), **arguments})
    except (TypeError, ValueError, RuntimeError, AssertionError) as error:
        # timm asserts what it does not implement, often without a message.
        reason = str(error) or f"{type(error).__name__} without a message"
        raise NetworkError(f"timm cannot build '{name}' with {arguments or 'no extra arguments'}: {reason}") from error
    # Any other error: the hub's client raises its own and those of its HTTP library.
    except Exception as error:
        if not arguments.get("pretrained") or isinstance(error, DEFECTS):
            raise
        raise PretrainedError(f"the pretrained weights of '{name}' {_what_failed(error)}") from error
    if name in ("vgg16_bn", "vgg19_bn") and not (arguments.get("pretrained") or arguments.get("features_only")):
        _initialise_hidden_head_as_torchvision(network)
    return network


def _what_failed(error: Exception) -> str:
    """Tells a damaged file, the disk and the download apart, in words, with the advice for each."""
    reason = str(error).partition("\n")[0] or type(error).__name__
    if isinstance(error, DAMAGED):
        return f"are damaged in the hub's cache ({HF_HUB_CACHE}): {reason}. Delete them there to download them again"
    if isinstance(error, OSError) and error.errno in OF_THE_DISK:
        return f"cannot be kept in, or read from, the cache ({HF_HUB_CACHE}): {reason}. Set HF_HOME to another folder"
    return (
        f"are not in the hub's cache ({HF_HUB_CACHE}) and cannot be downloaded: {reason} Fill it where there is a "
        "network and set HF_HOME to a copy of it, or leave pretrained out and give a file: --model.init_from=FILE, of "
        "an encoder --model.encoder_weights, of `geometry` and `border-error` --weights"
    )


def check_name(name: str) -> None:
    """Raises NetworkError if timm has no model `name`."""
    if not timm.is_model(name):
        raise NetworkError(f"timm has no model '{name}'{_close_names(name)}")


def _paper_arguments(name: str) -> dict[str, Any]:
    if name not in PAPER_NETWORKS:
        return {}
    return {"drop_rate": 0.5} if name.startswith("vgg") else {"zero_init_last": False}


def _initialise_hidden_head_as_torchvision(network: nn.Module) -> None:
    # In timm's VGG the two hidden linear layers are convolutions, and are initialised as such.
    for layer in (network.pre_logits.fc1, network.pre_logits.fc2):
        nn.init.normal_(layer.weight, 0, 0.01)
        nn.init.zeros_(layer.bias)


def _close_names(name: str) -> str:
    found = get_close_matches(name, timm.list_models(), 8)
    return f"; close names: {', '.join(found)}" if found else "; timm.list_models() lists them"
