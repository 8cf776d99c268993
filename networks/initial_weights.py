"""Loads initial weights for a training from files of this suite, timm or torchvision, trained with any padding."""

import argparse
import contextlib
import inspect
import re
import sys
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from timm.models import clean_state_dict
from torch import Tensor, nn

from networks.create import NetworkError
from padding.conversion.layers import LEARNED
from padding.conversion.report import shortened

TODO = "give a checkpoint of this suite, or weights of timm's or torchvision's for the same network"

NESTED = ("state_dict_ema", "model_ema", "state_dict", "model")
"""Keys of the weights in training checkpoints, in order: timm's averages, Lightning's and timm's, torchvision's."""

_NETWORK = "network."
"""Prefix of the network's tensors in the state dict of a LightningModule of this suite."""


def load_initial_weights(network: nn.Module, path: Path, num_classes: int) -> str:
    """Loads the weights of a file of the same architecture into `network`, in place; its padding stays as it is.

    Layers that give the logits keep their own weights if the file has another number of classes.

    Args:
        network: the network to load into.
        path: a file for `read_weights`; names of tensors that differ in torchvision, as in VGGs, become timm's.
        num_classes: number of logits of `network`.

    Returns:
        A line for the user: the file, what made it, and the layers that keep their own weights.

    Raises:
        NetworkError: the file cannot be read, lacks a tensor of the right shape for one of the network's, or has
            tensors that the network lacks. The network is unchanged then.
    """
    given, origin = read_weights(path)
    wanted = network.state_dict()
    given = _as_timm_names(network, given, wanted)
    fresh = [key for key, tensor in wanted.items() if _is_head_of_others(tensor, given.get(key), num_classes)]
    # torchvision's oldest files lack num_batches_tracked, which only a BatchNorm without momentum reads.
    counters = [key for key in wanted if key.endswith("num_batches_tracked") and key not in given]
    own = {key: wanted[key] for key in (*fresh, *counters)}
    # Parameters of padding schemes: those of another scheme are dropped, missing ones get their initial values.
    given = {key: tensor for key, tensor in given.items() if not _is_of_another_scheme(key, tensor, wanted)}
    wanted = {key: tensor for key, tensor in wanted.items() if key in given or not key.endswith(LEARNED)}
    refuse_misfit(path, "the network", wanted, given | own, given.keys() - wanted.keys())
    network.load_state_dict(given | own)
    by = [f"({origin['network']}, trained with {origin.get('padding')} padding)"] if origin else []
    anew = f"; of another number of classes there, so initialised anew: {', '.join(fresh)}" if fresh else ""
    return f"initial weights from {' '.join([str(path), *by])}{anew}"


def read_weights(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Reads a file's tensors by name, and its whole content if it is a checkpoint of this suite, else {}.

    Only tensors and plain values are unpickled, so no code of the file runs.

    Args:
        path: a checkpoint of this suite, a state dict or training checkpoint of timm or torchvision, or a
            `.safetensors` file.

    Raises:
        NetworkError: the file is none of these.
    """
    try:
        content = _load(path)
    # On a file that is no checkpoint, torch may raise any error, depending on the first bytes.
    except Exception as error:
        raise NetworkError(f"{path} {describe_unreadable(path, error)}; {TODO}") from error
    ours = isinstance(content, dict) and {"state_dict", "network"} <= content.keys()
    nested = [content[key] for key in NESTED if isinstance(content, dict) and isinstance(content.get(key), dict)]
    weights = nested[0] if nested else content
    tensors = isinstance(weights, dict) and all(isinstance(each, Tensor) for each in weights.values())
    if not tensors or not (weights or ours):
        raise NetworkError(f"{path} {describe_content(content)}; {TODO}")
    network = {key.removeprefix(_NETWORK): each for key, each in weights.items() if key.startswith(_NETWORK)}
    return clean_state_dict(network or weights), content if ours else {}


def _load(path: Path) -> Any:
    if path.suffix == ".safetensors":
        return load_file(path)
    # timm's and torchvision's checkpoints hold the training's options as a Namespace, which is attributes without code.
    with torch.serialization.safe_globals([argparse.Namespace]):
        return torch.load(path, map_location="cpu", weights_only=True)


def _as_timm_names(network: nn.Module, given: dict[str, Tensor], wanted: dict[str, Tensor]) -> dict[str, Tensor]:
    """Renames `given` by the architecture's own function in timm for files of other programs, if it has one."""
    module = sys.modules[type(network).__module__]
    rename = getattr(module, "checkpoint_filter_fn", None) or getattr(module, "_filter_fn", None)
    if rename is not None and not wanted.keys() <= given.keys():
        # On a file of another architecture it may raise any error; the misfit is then reported with the file's names.
        with contextlib.suppress(Exception):
            return rename(given, network) if len(inspect.signature(rename).parameters) > 1 else rename(given)
    return given


def _is_of_another_scheme(key: str, given: Tensor, wanted: dict[str, Tensor]) -> bool:
    return key.endswith(LEARNED) and (key not in wanted or wanted[key].shape != given.shape)


def _is_head_of_others(own: Tensor, given: Tensor | None, num_classes: int) -> bool:
    """Whether the tensors differ only in the number of classes, the first axis of a layer that gives the logits."""
    if given is None or own.shape == given.shape or not own.ndim == given.ndim >= 1:
        return False
    return own.shape[0] == num_classes and own.shape[1:] == given.shape[1:]


def refuse_misfit(
    path: Path,
    what: str,
    wanted: dict[str, Tensor],
    given: dict[str, Tensor],
    unexpected: Iterable[str],
    todo: str = "give a file of the same network and arguments",
) -> None:
    """Raises NetworkError, naming the tensors, if `given` lacks or misshapes one of `wanted`, or any is unexpected."""
    shapes = [
        f"{key} {tuple(given[key].shape)} instead of {tuple(tensor.shape)}"
        for key, tensor in wanted.items()
        if key in given and given[key].shape != tensor.shape
    ]
    missing = [key for key in wanted if key not in given]
    problems = {"missing": missing, "unexpected": sorted(unexpected), "of another shape": shapes}
    if any(problems.values()):
        text = "; ".join(f"{problem}: {shortened(keys, 5)}" for problem, keys in problems.items() if keys)
        raise NetworkError(f"{path} does not fit {what}: {text}; {todo}")


def describe_unreadable(path: str | Path, error: Exception | None = None) -> str:
    """Describes a file that torch.load refuses, such as `is text`, without running any part of it.

    Args:
        path: the file.
        error: error of torch.load, if it was called; for a foreign file it is often a meaningless KeyError.
    """
    if code := re.search(r"nsupported .*?GLOBAL (\S+)", str(error)):
        return f"holds the object {code[1]}, which torch refuses to load: it could run any program"
    try:
        with open(path, "rb") as file:
            start = file.read(512)
    except OSError as problem:
        return f"cannot be read: {problem.strerror}"
    if not start:
        return "is empty"
    if start.startswith(b"PK"):
        return _describe_zip(path)
    if start.startswith(b"\x80"):
        return "is a pickle that holds no weights"
    return "is text, no weights" if start.isascii() and b"\0" not in start else "is no file of weights"


def _describe_zip(path: str | Path) -> str:
    try:
        with zipfile.ZipFile(path) as archive:
            named = any(name.endswith("data.pkl") for name in archive.namelist())
    except (zipfile.BadZipFile, OSError, ValueError):
        return "is damaged: a part of it is missing"
    return "is damaged" if named else "is a zip file without weights"


def describe_content(content: Any) -> str:
    """Describes what a file holds instead of a checkpoint, such as `is a bare state dict (conv1.weight, ...), ...`."""
    if isinstance(content, Tensor):
        return f"holds a single tensor of shape {tuple(content.shape)}"
    if not isinstance(content, dict):
        return f"holds a {type(content).__name__}"
    names = ", ".join(map(str, list(content)[:3])) + (", ..." if len(content) > 3 else "")
    if content and all(isinstance(value, Tensor) for value in content.values()):
        return f"is a bare state dict ({names}), as timm and torchvision save them"
    return f"holds {names or 'nothing'}"
