"""A network by timm's name or from a run folder, with the images that it takes; and its copies under other schemes."""

import contextlib
import copy
import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from networks.create import check_name, create_network
from networks.initial_weights import read_weights
from padding import convert_padding
from padding.conversion.choice import choose
from padding.conversion.layers import original_class
from padding.geometry import Pads, resolve
from padding.registry import find_convolution
from records import RunFolder
from records.errors import UserError
from studies.checkpoints.images import IMAGENET
from studies.checkpoints.load import load

ZERO = "zero"

ACTIVATIONS = ("torch.nn.modules.activation", "timm.layers.activations", "timm.layers.activations_me")
"""Where the classes of activation functions are defined; torch's MultiheadAttention, too."""

SCENE = 256


@dataclass(frozen=True, eq=False)
class Source:
    """A network to measure.

    Attributes:
        name: timm's, or the run's.
        network: in evaluation mode, under `padding`.
        padding: scheme that it was trained with.
        weights: where they are from, in words.
        size: side of its images in pixels.
        mean, std: that its images are normalised with, on a scale of 0 to 1.
        classes: names of class folders to the numbers that the network gives them.
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
        """A copy under `scheme` that shares the weights. Raises PaddingError if the scheme cannot be put on it."""
        return padded_copy(self.network, scheme, self.padding)

    def digest(self, schemes: Sequence[str]) -> str:
        """Of the weights, and of users' files that define `schemes`: names alone do not say which these are."""
        found = hashlib.blake2b(digest_size=8)
        for tensor in chain(self.network.parameters(), self.network.buffers()):
            found.update(tensor.detach().cpu().flatten().contiguous().view(torch.uint8).numpy())
        for file in (file for name in schemes for _, scheme in choose(name).rules for file in scheme.files):
            found.update(file.read_bytes())
        return found.hexdigest()


def padded_copy(network: nn.Module, scheme: str, padding: str = ZERO) -> nn.Module:
    """A copy of `network`, which is under `padding`, under `scheme`: modules are new, parameters and buffers shared."""
    shared = {id(tensor): tensor for tensor in chain(network.parameters(), network.buffers())}
    variant = copy.deepcopy(network, shared)
    if scheme != padding:
        convert_padding(variant, scheme)
    return variant.eval()


def check_source(name: str) -> None:
    """Raises an error for users unless `name` is a run folder or a timm model."""
    if not RunFolder(Path(name)).record_file.is_file():
        check_name(name)


def find_source(name: str, weights: Path | None, pretrained: bool, checkpoint: str, seed: int) -> Source:
    """The network that `name` stands for.

    Raises UserError, naming the folder or file at fault, NetworkError if it is neither a run folder nor a timm model.
    """
    if RunFolder(Path(name)).record_file.is_file():
        trained = load(RunFolder(Path(name)), checkpoint)
        data, module = trained.data, trained.module
        words = f"{trained.checkpoint.name}, epoch {trained.epoch}"
        found = (trained.folder.path.name, module.network, module.scheme, words)
        # Scenes have no size of their own: the usual one of crops in segmentation.
        size = data.image_size if hasattr(data, "image_size") else SCENE
        names = ()
        with contextlib.suppress(Exception):  # the images of the training are gone, and with them the names
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
    """Loads a file of weights by names, or else by order: another library's names, the same tensors.

    Counters of batches (`num_batches_tracked`) are left out, which some libraries do not save. Raises NetworkError for
    a file without weights, UserError naming the first tensor that does not fit.
    """
    own, given = (_without_counters(state) for state in (network.state_dict(), read_weights(file)[0]))
    if own.keys() != given.keys():
        pairs = list(zip(own.items(), given.items(), strict=False))
        wrong = next((pair for pair in pairs if pair[0][1].shape != pair[1][1].shape), None)
        if wrong or len(own) != len(given):
            where = f"{wrong[1][0]} stands where {wrong[0][0]} is needed" if wrong else "the rest fits"
            raise UserError(f"--weights {file} has {len(given)} tensors, the network {len(own)}: {where}")
        given = dict(zip(own, given.values(), strict=True))
    try:
        network.load_state_dict(given, strict=False)
    except RuntimeError as error:
        raise UserError(f"--weights {file}: {str(error).splitlines()[-1].strip()}") from None


def _without_counters(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor for name, tensor in state.items() if not name.endswith("num_batches_tracked")}


def is_activation(layer: nn.Module) -> bool:
    """Whether a module is an activation function of torch or timm."""
    return type(layer).__module__ in ACTIVATIONS and not isinstance(layer, nn.MultiheadAttention)


def pads_of(layer: nn.Module, sizes: tuple[int, ...]) -> Pads | None:
    """How much a convolution pads an input of `sizes`, before and after each axis; None for what does not convolve."""
    convolution = find_convolution(original_class(layer))
    if convolution is None or convolution.transposed:
        return None
    kernel, stride, dilation = layer.kernel_size, layer.stride, layer.dilation
    return resolve(convolution.padding(layer), sizes, kernel, stride, dilation, layer.groups).pads


def padded_convolutions(network: nn.Module, run: Callable[[nn.Module], object]) -> dict[str, nn.Module]:
    """The convolutions of images that pad, by module path, in the order in which `run(network)` calls them."""
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
    """Within it `note(layer, inputs, output)` is called after each call of one of the layers, named by module path."""

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
