"""Activations of a loaded network at layers named by their module path, summed over channels."""

import io
from collections.abc import Sequence
from pathlib import Path

import torch
from PIL import Image
from torch import nn

from datamodules.cityscapes.datasets import whole_image
from datamodules.loading.decode import decode_rgb
from lightning_modules import SegmentationModule
from records.checkpoint import ActivationRecord, Shown
from records.errors import UserError
from studies.checkpoints.load import Trained
from studies.checkpoints.networks import is_activation, noted
from training.provenance import provenance

DEPTHS, SMALLEST = 3, 6
"""Number of layers shown by default, and the least side of their maps: a smaller map is mostly border."""

LARGEST_PICTURE = 512
"""Longest side, in pixels, of an image stored for the figure."""


def record_of(trained: Trained, images: Sequence[tuple[Path, str]], layers: Sequence[str]) -> ActivationRecord:
    """Computes the maps of `layers` for images given as (file, label).

    Raises:
        UserError: a layer does not exist or has no maps.
        DataError: an image cannot be used.
    """
    names = {name for name, _ in trained.module.network.named_modules()}
    if unknown := [layer for layer in layers if layer not in names]:
        raise UserError(f"--layers: the network has no module {', '.join(unknown)}; --list lists what it has")
    shown, maps = [], {layer: [] for layer in layers}
    for path, label in images:
        pixels = as_seen(trained, path)
        shown.append(Shown(str(path.resolve()), label, _png(pixels)))
        for layer, found in activations(trained, pixels, layers).items():
            if found.ndim != 4:
                raise UserError(
                    f"layer {layer} of {trained.record.network} gives a tensor of shape {tuple(found.shape)}, no maps "
                    "(N, C, H, W); --list lists the layers that have maps"
                )
            maps[layer].append(found[0].float().sum(0).cpu().numpy())
    return ActivationRecord(**trained.origin, images=shown, maps=maps, provenance=provenance())


def as_seen(trained: Trained, path: Path) -> torch.Tensor:
    """The image as the network sees it, uint8 (3, H, W), not normalised. Raises DataError if it cannot be used."""
    image = decode_rgb(str(path))
    if isinstance(trained.module, SegmentationModule):
        return whole_image(image, str(path))
    return trained.data.eval_transform(image, str(path))


def activations(trained: Trained, pixels: torch.Tensor, layers: Sequence[str]) -> dict[str, torch.Tensor]:
    """Each layer's output for one uint8 image (3, H, W); of a layer that is called several times, the last output."""
    module, found = trained.module, {}

    def keep(layer: str, _: tuple, output: object) -> None:
        # Cloned at once: a following in-place operation (ReLU) would change it.
        if isinstance(output, torch.Tensor):
            found[layer] = output.detach().clone()

    with torch.inference_mode(), noted(module.network, layers, keep):
        images, _ = trained.data.on_after_batch_transfer((pixels[None].to(module.device), []), 0)
        module(images)
    return {layer: found[layer] for layer in layers if layer in found}


def layers_with_maps(trained: Trained, image: Path) -> dict[str, tuple[nn.Module, tuple[int, int, int]]]:
    """Finds the modules whose output is a map: module path to (module, (C, H, W)), in the order of the network."""
    modules = {name: module for name, module in trained.module.network.named_modules() if name}
    outputs = activations(trained, as_seen(trained, image), list(modules))
    return {name: (modules[name], tuple(found.shape[1:])) for name, found in outputs.items() if found.ndim == 4}


def default_layers(available: dict[str, tuple[nn.Module, tuple[int, int, int]]]) -> list[str]:
    """The last activation function at each of the last three resolutions not mostly border; else the last layer."""
    last: dict[tuple[int, int], str] = {}
    for name, (layer, (_, height, width)) in available.items():
        if is_activation(layer) and min(height, width) >= SMALLEST:
            # Removed first: the dict's order must be that of the last layers, not of the first at each resolution.
            last.pop((height, width), None)
            last[height, width] = name
    return list(last.values())[-DEPTHS:] or list(available)[-1:]


def _png(pixels: torch.Tensor) -> bytes:
    image = Image.fromarray(pixels.permute(1, 2, 0).numpy())
    image.thumbnail((LARGEST_PICTURE, LARGEST_PICTURE))
    buffer = io.BytesIO()
    image.save(buffer, format="png")
    return buffer.getvalue()
