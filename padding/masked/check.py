"""Compares a masked run of a network's first batches with a second run of the same images.

Code may use the sizes of the canvas (the padded batch) where no rule sees it, or mix the images. So the first batch of
each canvas and set of sizes is run a second time. A mistake shows only if it changes the values; so that reading padded
positions does, they hold large numbers in the masked run.
"""

import weakref
from collections.abc import Iterator
from hashlib import blake2b
from typing import Any

import torch
from torch import Tensor, nn

from padding.errors import UnfollowableError
from padding.masked.call import tensors_in
from padding.masked.loop import Masked, times
from padding.tracing import is_compiled

# Digests have 16 bytes, so a few MB at most. Keys are weak, so that the table keeps no network alive.
_BATCHES_KEPT = 1 << 15
_SEEN: "weakref.WeakKeyDictionary[nn.Module, tuple[tuple, set]]" = weakref.WeakKeyDictionary()


def seen_batches(model: nn.Module) -> set:
    """The fingerprints of a network's compared batches; starts anew if the network changed, or at `_BATCHES_KEPT`."""
    structure = tuple([_settings(each) for each in model.modules()])
    known, batches = _SEEN.get(model, (None, set()))
    if known != structure or len(batches) >= _BATCHES_KEPT:
        batches = set()
        _SEEN[model] = structure, batches
    return batches


_PLAIN = frozenset([int, float, bool, str, type(None), torch.dtype])


def _settings(module: nn.Module) -> tuple:
    """The settings of a module, whose change makes earlier comparisons void; the values of parameters do not count."""
    settings = []
    for name, value in module.__dict__.items():
        kind = type(value)
        if kind in _PLAIN or (kind in (tuple, list) and _PLAIN.issuperset(map(type, value))):
            settings.append((name, tuple(value) if kind is list else value))
    tensors = (*module._parameters.values(), *module._buffers.values())
    shapes = [(each.dtype, each.shape) for each in tensors if each is not None]
    # A hook may change what a layer returns.
    hooks = (*module._forward_pre_hooks, *module._forward_hooks)
    return id(module), type(module), is_compiled(module), settings, shapes, hooks


def fingerprint(images: Tensor, lengths: list[tuple[int, ...]], rule: str) -> bytes:
    """Digest of what the comparison of a batch covers: the rule, the canvas, the precision and the set of sizes.

    A digest, so that the memory per batch does not grow with its number of images.
    """
    precision = images.dtype, images.device.type, torch.is_autocast_enabled(images.device.type)
    return blake2b(repr((rule, images.shape, precision, sorted(lengths))).encode(), digest_size=16).digest()


def compare(model: nn.Module, found: Masked, expected: Masked, lengths: list[tuple[int, ...]]) -> None:
    """Compares two runs of one batch, image by image.

    Raises:
        UnfollowableError: valid positions or values of an image differ; the message names the images and differences.
    """
    outputs, valid = map(tensors_in, (found.output, expected.output)), map(_flat, (found.valid, expected.valid))
    for place, (output, other, rows, other_rows) in enumerate(zip(*outputs, *valid, strict=True)):
        wrong = _other_places(rows, other_rows) or _other_values(output, other)
        if wrong:
            images = "; ".join(f"image {n} ({times(lengths[n])}) {what}" for n, what in wrong.items())
            raise UnfollowableError(
                f"{type(model).__name__} gives something else for images padded to one size than without the padding: "
                f"in its output {place}, {tuple(output.shape)}, {images}. Its code mixes the images, or computes with "
                "the sizes of the padded batch: run the images one at a time (padding.forward_singly). Or it draws "
                "random numbers: call model.eval(), or leave the comparison out with check=False"
            )


def _other_places(rows: Tensor | None, expected: Tensor | None) -> dict[int, str]:
    """Describes the valid positions of each image for which they differ between the two runs."""
    if rows is None or expected is None:
        return {} if rows is expected else {0: "is a map in one of them only"}
    pairs = enumerate(zip(rows.tolist(), expected.tolist(), strict=True))
    return {n: f"is valid on {own} instead of {other}" for n, (own, other) in pairs if own != other}


def _other_values(output: Tensor, expected: Tensor) -> dict[int, str]:
    """Describes the difference of each image whose values differ by more than rounding."""
    shape = expected.shape[:2] + output.shape[2:]  # a masked map may be larger; both are 0 outside of the images
    if output.shape != shape or output.dim() != expected.dim() or output.dtype != expected.dtype:
        return {0: f"is {output.dtype} instead of {expected.dtype} {tuple(expected.shape)}"}
    output = output.detach()[tuple(map(slice, expected.shape))]
    if expected.is_floating_point() or expected.is_complex():
        # In float64, because bfloat16 would round the difference, too.
        limit, wide = tolerance(expected), torch.promote_types(expected.dtype, torch.float64)
        output, expected = output.to(wide).flatten(1), expected.detach().to(wide).flatten(1)
        alike = (output == expected) | (output.isnan() & expected.isnan())
        gaps = (output - expected).abs().nan_to_num(nan=torch.inf).masked_fill(alike, 0).amax(1)
        gaps = gaps / expected.abs().nan_to_num(posinf=1).amax(1).clamp(min=1e-30)
    else:  # class indices: rounding may decide ties differently at a few positions
        limit, gaps = 1e-3, (output != expected).flatten(1).double().mean(1)
    return {n: f"differs by {gap:.2g} of its largest value" for n, gap in enumerate(gaps.tolist()) if gap > limit}


def tolerance(tensor: Tensor) -> float:
    """The difference by rounding to accept, relative to the largest value of an image: half of the dtype's digits.

    The networks in the tests differ by up to 4e-13 in float64, where the tolerance is 1.5e-8. The smallest mistake so
    far, a mean over one column too many, made a difference of 3e-3; the tolerance of float32 is 3e-4.
    """
    kinds = [torch.finfo(tensor.dtype).eps]
    if torch.is_autocast_enabled(tensor.device.type):
        kinds.append(torch.finfo(torch.get_autocast_dtype(tensor.device.type)).eps)
    if tensor.is_cuda and tensor.dtype == torch.float32 and torch.backends.cudnn.allow_tf32:
        kinds.append(2**-10)  # the mantissa of TF32, in which cuDNN convolves by default
    return max(kinds) ** 0.5


def _flat(valid: Any) -> Iterator[Tensor | None]:
    if valid is None or isinstance(valid, Tensor):
        yield valid
    else:
        for each in valid.values() if isinstance(valid, dict) else valid:
            yield from _flat(each)
