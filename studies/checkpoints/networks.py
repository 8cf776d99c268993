"""Networks by timm's name or from a run folder, with their size and normalisation, and copies under other schemes."""

import contextlib
import copy
import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import torch
from timm import is_model
from torch import Tensor, nn

from networks.create import check_name, create_network
from networks.initial_weights import read_weights
from padding import convert_padding
from padding.conversion.choice import choose
from padding.conversion.layers import original_class
from padding.geometry import Pads, resolve
from padding.registry import find_convolution
from records import RunFolder, find_runs
from records.errors import UserError
from studies.checkpoints.images import IMAGENET
from studies.checkpoints.load import load

ZERO = "zero"

ACTIVATIONS = ("torch.nn.modules.activation", "timm.layers.activations", "timm.layers.activations_me")
"""Python modules that define activation functions; torch's also defines MultiheadAttention."""

SCENE = 256


@dataclass(frozen=True, eq=False)
class Source:
    """A network to measure.

    Attributes:
        name: timm's name of the network, or the run's name.
        network: network in evaluation mode, under `padding`.
        padding: scheme that the network was trained with.
        weights: origin of the weights, in words.
        size: side of the network's images, in pixels.
        mean, std: mean and standard deviation that normalise images on a scale of 0 to 1.
        classes: maps names of class folders to the network's class numbers.
    """

    name: str
    network: nn.Module
    padding: str
    weights: str
    size: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    classes: Mapping[str, int]

    def under(self, scheme: str) -> nn.Module:
        """Copies the network under `scheme`, sharing the weights. Raises PaddingError if it cannot be applied."""
        return padded_copy(self.network, scheme, self.padding)

    def digest(self, schemes: Sequence[str]) -> str:
        """Digest of the weights and of the user's files that define `schemes`: both may change under the same names."""
        found = hashlib.blake2b(digest_size=8)
        for tensor in chain(self.network.parameters(), self.network.buffers()):
            found.update(tensor.detach().cpu().flatten().contiguous().view(torch.uint8).numpy())
        for file in (file for name in schemes for _, scheme in choose(name).rules for file in scheme.files):
            found.update(file.read_bytes())
        return found.hexdigest()


def padded_copy(network: nn.Module, scheme: str, padding: str = ZERO) -> nn.Module:
    """Returns a copy of `network`, converted from `padding` to `scheme`: new modules, shared parameters and buffers."""
    # deepcopy takes what its memo holds as it is, so tensors are not copied.
    shared = {id(tensor): tensor for tensor in chain(network.parameters(), network.buffers())}
    variant = copy.deepcopy(network, shared)
    if scheme != padding:
        convert_padding(variant, scheme)
    return variant.eval()


def check_source(name: str) -> None:
    """Raises an error for users unless `name` is a run folder or a timm model."""
    if not RunFolder(Path(name)).record_file.is_file():
        if not is_model(name) and Path(name).is_dir() and find_runs(name):
            raise UserError(f"{name} holds runs; name one, or all of them: {name.rstrip('/')}/*")
        check_name(name)


def find_source(name: str, weights: Path | None, pretrained: bool, checkpoint: str, seed: int) -> Source:
    """Loads the network of a run folder, or makes a timm model with pretrained, given or random weights.

    Raises UserError, naming the folder or file at fault, NetworkError if `name` is neither a run folder nor a model.
    """
    if RunFolder(Path(name)).record_file.is_file():
        trained = load(RunFolder(Path(name)), checkpoint)
        data, module = trained.data, trained.module
        words = f"{trained.checkpoint.name}, epoch {trained.epoch}"
        found = (trained.folder.path.name, module.network, module.scheme, words)
        # Scenes have no fixed image size: a usual crop size in segmentation.
        size = data.image_size if hasattr(data, "image_size") else SCENE
        names = ()
        with contextlib.suppress(Exception):  # the training images may be gone, and the class names with them
            names = trained.find_images().data.class_folders
        return Source(*found, size, data.mean, data.std, {each: number for number, each in enumerate(names)})
    torch.manual_seed(seed)
    network = create_network(name, 1000, **({"pretrained": True} if pretrained else {})).eval()
    words = "pretrained" if pretrained else f"random, seed {seed}"
    if weights is not None:
        load_in_order(network, weights)
        words = weights.name
    network.requires_grad_(False)
    usual = network.pretrained_cfg
    side = usual.get("input_size", (3, 224, 224))[-1]
    return Source(name, network, ZERO, words, side, tuple(usual["mean"]), tuple(usual["std"]), IMAGENET)


def load_in_order(network: nn.Module, file: Path) -> None:
    """Loads a file of weights by name, or in order if another library gave the same tensors other names.

    Ignores batch counters (`num_batches_tracked`), which some libraries do not save. Raises NetworkError if the file
    holds no weights, UserError naming the first tensor that does not fit.
    """
    own, given = (_without_counters(state) for state in (network.state_dict(), read_weights(file)[0]))
    if own.keys() != given.keys():
        pairs = list(zip(own.items(), given.items(), strict=False))
        wrong = next((pair for pair in pairs if pair[0][1].shape != pair[1][1].shape), None)
        if wrong or len(own) != len(given):
            named = [f"{name} {tuple(tensor.shape)}" for name, tensor in wrong or ()]
            where = f"{named[1]} stands where {named[0]} is needed" if wrong else "the rest fits"
            raise UserError(f"--weights {file} has {len(given)} tensors, the network {len(own)}: {where}")
        given = dict(zip(own, given.values(), strict=True))
    try:
        # Not strict, because the batch counters were taken out.
        network.load_state_dict(given, strict=False)
    except RuntimeError as error:
        raise UserError(f"--weights {file}: {str(error).splitlines()[-1].strip()}") from None


def _without_counters(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor for name, tensor in state.items() if not name.endswith("num_batches_tracked")}


def is_activation(layer: nn.Module) -> bool:
    """Whether a module is an activation function of torch or timm."""
    return type(layer).__module__ in ACTIVATIONS and not isinstance(layer, nn.MultiheadAttention)


def pads_of(layer: nn.Module, sizes: tuple[int, ...]) -> Pads | None:
    """The padding (before, after) per axis of a convolution for an input of `sizes`; None for any other layer."""
    convolution = find_convolution(original_class(layer))
    if convolution is None or convolution.transposed:
        return None
    kernel, stride, dilation = layer.kernel_size, layer.stride, layer.dilation
    return resolve(convolution.padding(layer), sizes, kernel, stride, dilation, layer.groups).pads


def padded_convolutions(network: nn.Module, run: Callable[[nn.Module], object]) -> dict[str, nn.Module]:
    """Finds the 2-d convolutions that pad: module path to layer, in the order in which `run(network)` calls them."""
    found: dict[str, nn.Module] = {}
    candidates = {name: each for name, each in network.named_modules() if find_convolution(original_class(each))}

    def note(name: str, inputs: tuple[Tensor, ...], _: object) -> None:
        layer = candidates[name]
        if inputs[0].ndim == 4 and any(map(any, pads_of(layer, tuple(inputs[0].shape[2:])) or ())):
            found[name] = layer

    with torch.no_grad(), noted(network, candidates, note):
        run(network)
    return found


@contextlib.contextmanager
def noted(network: nn.Module, layers: Iterable[str], note: Callable[[str, tuple, Any], object]) -> Iterator[None]:
    """A context in which `note(layer, inputs, output)` is called after each call of one of `layers` (module paths)."""

    def hook(layer: str) -> Callable:
        def call(_: nn.Module, inputs: tuple, output: Any) -> None:
            note(layer, inputs, output)

        return call

    hooks = [network.get_submodule(layer).register_forward_hook(hook(layer)) for layer in layers]
    try:
        yield
    finally:
        for each in hooks:
            each.remove()
