"""The comparison of a network's first batches with another run of the same images.

Nothing in a network's code says whether it uses the canvas' sizes where no rule sees it, or mixes the images. So the
first batch of each canvas and set of sizes is run a second time. A mistake shows only if it changes these values: the
padded area holds large numbers in that run, so that reading it does.
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

# Digests of 16 bytes: a few MB at most. Weak, so that a comparison keeps no network alive.
_BATCHES_KEPT = 1 << 15
_SEEN: "weakref.WeakKeyDictionary[nn.Module, tuple[tuple, set]]" = weakref.WeakKeyDictionary()


def seen_batches(model: nn.Module) -> set:
    """The fingerprints of a network's compared batches; empty when it was converted or changed since, or too many."""
    structure = tuple([_settings(each) for each in model.modules()])
    known, batches = _SEEN.get(model, (None, set()))
    if known != structure or len(batches) >= _BATCHES_KEPT:
        batches = set()
        _SEEN[model] = structure, batches
    return batches


_PLAIN = frozenset([int, float, bool, str, type(None), torch.dtype])


def _settings(module: nn.Module) -> tuple:
    """What a module's calls may depend on, as far as a comparison can tell; the values of parameters do not count."""
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
    """What the comparison of one batch answers for: the rule, the canvas, the precision and the set of sizes.

    A digest, so that what is kept of a batch does not grow with its images.
    """
    precision = images.dtype, images.device.type, torch.is_autocast_enabled(images.device.type)
    return blake2b(repr((rule, images.shape, precision, sorted(lengths))).encode(), digest_size=16).digest()


def compare(model: nn.Module, found: Masked, expected: Masked, lengths: list[tuple[int, ...]]) -> None:
    """Compares two runs of one batch, image by image.

    Raises:
        UnfollowableError: an image is valid elsewhere, or its values differ; the message says which, and by how much.
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
    """For each image that is valid elsewhere, on which rows and columns."""
    if rows is None or expected is None:
        return {} if rows is expected else {0: "is a map in one of them only"}
    pairs = enumerate(zip(rows.tolist(), expected.tolist(), strict=True))
    return {n: f"is valid on {own} instead of {other}" for n, (own, other) in pairs if own != other}


def _other_values(output: Tensor, expected: Tensor) -> dict[int, str]:
    """For each image whose values differ by more than rounding, by how much."""
    shape = expected.shape[:2] + output.shape[2:]  # both are 0 outside of the images, and a padded map may be larger
    if output.shape != shape or output.dim() != expected.dim() or output.dtype != expected.dtype:
        return {0: f"is {output.dtype} instead of {expected.dtype} {tuple(expected.shape)}"}
    output = output.detach()[tuple(map(slice, expected.shape))]
    if expected.is_floating_point() or expected.is_complex():
        # In double precision, since the difference of two bfloat16 numbers would be rounded, too.
        limit, wide = tolerance(expected), torch.promote_types(expected.dtype, torch.float64)
        output, expected = output.to(wide).flatten(1), expected.detach().to(wide).flatten(1)
        alike = (output == expected) | (output.isnan() & expected.isnan())
        gaps = (output - expected).abs().nan_to_num(nan=torch.inf).masked_fill(alike, 0).amax(1)
        gaps = gaps / expected.abs().nan_to_num(posinf=1).amax(1).clamp(min=1e-30)
    else:  # classes: a tie may go the other way at few positions
        limit, gaps = 1e-3, (output != expected).flatten(1).double().mean(1)
    return {n: f"differs by {gap:.2g} of its largest value" for n, gap in enumerate(gaps.tolist()) if gap > limit}


def tolerance(tensor: Tensor) -> float:
    """How far two runs may differ by rounding, relative to the largest value of an image: half of the digits.

    The networks that tests follow differ by up to 4e-13 in float64, where half is 1.5e-8; the smallest mistake met, a
    mean over one column too many, by 3e-3, where float32 allows 3e-4.
    """
    kinds = [torch.finfo(tensor.dtype).eps]
    if torch.is_autocast_enabled(tensor.device.type):
        kinds.append(torch.finfo(torch.get_autocast_dtype(tensor.device.type)).eps)
    if tensor.is_cuda and tensor.dtype == torch.float32 and torch.backends.cudnn.allow_tf32:
        kinds.append(2**-10)  # the mantissa of TF32, which cuDNN convolves in by default
    return max(kinds) ** 0.5


def _flat(valid: Any) -> Iterator[Tensor | None]:
    if valid is None or isinstance(valid, Tensor):
        yield valid
    else:
        for each in valid.values() if isinstance(valid, dict) else valid:
            yield from _flat(each)
