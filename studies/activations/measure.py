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
"""Layers taken by default, and the least side of their maps: a smaller map is mostly border."""

LARGEST_PICTURE = 512
"""Longest side, in pixels, of an image as it is kept for the figure."""


def record_of(trained: Trained, images: Sequence[tuple[Path, str]], layers: Sequence[str]) -> ActivationRecord:
    """The maps of `layers` for images given as (file, label).

    Raises:
        UserError: for a layer that is not there or has no maps.
        DataError: for an image that cannot be used.
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
    return ActivationRecord(
        checkpoint=trained.checkpoint.name,
        epoch=trained.epoch,
        step=trained.step,
        network=trained.module.network_name,
        padding=trained.module.scheme,
        images=shown,
        maps=maps,
        provenance=provenance(),
    )


def as_seen(trained: Trained, path: Path) -> torch.Tensor:
    """uint8 (3, H, W): the image as the network is shown it. Raises DataError for one that cannot be used."""
    image = decode_rgb(str(path))
    if isinstance(trained.module, SegmentationModule):
        return whole_image(image, str(path))
    return trained.data.eval_transform(image, str(path))


def activations(trained: Trained, pixels: torch.Tensor, layers: Sequence[str]) -> dict[str, torch.Tensor]:
    """Each layer's output for one image (3, H, W) uint8; of a layer that is called several times, the last."""
    module, found = trained.module, {}

    def keep(layer: str, _: tuple, output: object) -> None:
        # A copy at once: what follows may work in place.
        if isinstance(output, torch.Tensor):
            found[layer] = output.detach().clone()

    with torch.inference_mode(), noted(module.network, layers, keep):
        images, _ = trained.data.on_after_batch_transfer((pixels[None].to(module.device), []), 0)
        module(images)
    return {layer: found[layer] for layer in layers if layer in found}


def layers_with_maps(trained: Trained, image: Path) -> dict[str, tuple[nn.Module, tuple[int, int, int]]]:
    """Every module, by its path and in the order of the network, that gives maps: (module, (C, H, W))."""
    modules = {name: module for name, module in trained.module.network.named_modules() if name}
    outputs = activations(trained, as_seen(trained, image), list(modules))
    return {name: (modules[name], tuple(found.shape[1:])) for name, found in outputs.items() if found.ndim == 4}


def default_layers(available: dict[str, tuple[nn.Module, tuple[int, int, int]]]) -> list[str]:
    """The last activation function at each of the last three resolutions whose maps are not mostly border."""
    last: dict[tuple[int, int], str] = {}
    for name, (layer, (_, height, width)) in available.items():
        if is_activation(layer) and min(height, width) >= SMALLEST:
            # Removed first, for the order to be that of the last layer at each resolution.
            last.pop((height, width), None)
            last[height, width] = name
    return list(last.values())[-DEPTHS:] or list(available)[-1:]


def _png(pixels: torch.Tensor) -> bytes:
    image = Image.fromarray(pixels.permute(1, 2, 0).numpy())
    image.thumbnail((LARGEST_PICTURE, LARGEST_PICTURE))
    buffer = io.BytesIO()
    image.save(buffer, format="png")
    return buffer.getvalue()
