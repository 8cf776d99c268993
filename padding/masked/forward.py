"""Runs a network on images of different sizes padded to one size, so that it never sees the padded positions."""

import traceback
from collections.abc import Sequence
from types import TracebackType
from typing import Any

import torch
from torch import Tensor, nn

from padding.errors import PaddingError, UnfollowableError
from padding.masked.call import map_tensors, tensors_in
from padding.masked.check import compare, fingerprint, seen_batches
from padding.masked.extents import FIXED, GROW, RULES
from padding.masked.loop import Masked, checked_sizes, forward_singly
from padding.masked.mode import Masking, unmarked
from padding.masked.rules import arithmetic, axes, convolutions, pools, reductions, singly  # noqa: F401
from padding.masked.state import Valid, extents_of, filled, from_lengths, make_valid
from padding.tracing import is_compiled


def forward_masked(
    model: nn.Module, images: Tensor, sizes: Tensor | Sequence, *, rule: str = FIXED, check: bool = True
) -> Masked:
    """Runs a network on images padded to one size, so that it never sees the padded positions.

    >>> conv, images = torch.nn.Conv2d(3, 4, 3), torch.ones(2, 3, 9, 9)
    >>> forward_masked(conv, images, [(9, 7), (5, 9)]).valid.tolist()
    [[[0, 7], [0, 5]], [[0, 3], [0, 7]]]

    The mask of every map is one interval per axis and image ("case of big padding size", section 3 of Liu et al.
    2018), followed through the network's unchanged code. Padded positions may hold any values, even NaN.

    Args:
        model: a network, in evaluation mode if it has batch norm; under any padding scheme for `fixed`, under partial
            padding for `grow`.
        images: (N, C, H, W), each image at the top left; also signals (N, C, L) and volumes (N, C, D, H, W).
        sizes: (N, 2) integers, height and width of each image; (N, 1) for the lengths of signals, (N, 3) for volumes.
        rule: `fixed`: a position is valid if it exists when the network runs on that image alone, and its value is that
            of this run. `grow`: a position is valid if its window read at least one valid position (Eq. 3), up to the
            size of the padded batch; sums and concatenations are valid where any part is, the other parts are 0 there.
        check: whether to compare the first batch of each canvas and set of sizes with a second run: under `fixed` with
            `forward_singly`, each image alone; under `grow` with the same images in reversed order and other values in
            the padded area. Costs the second run. Without it, a network that mixes the images, or uses the padded
            batch's sizes where no rule sees it, silently gives wrong results.

    Raises:
        UnfollowableError: a function cannot be followed (the message names its layer), or results differ from those of
            single images; run `forward_singly` instead.
        PaddingError: the sizes do not fit the images, or an image is too small for the network.
    """
    lengths = checked_sizes(images, sizes)
    if rule not in RULES:
        raise PaddingError(f"unknown rule {rule!r}; choose one of {', '.join(RULES)}")
    if torch.compiler.is_compiling() or torch.jit.is_tracing():
        raise PaddingError("masks cannot be compiled, exported or traced; do that with a network that runs without")
    if rule == GROW and torch.is_inference_mode_enabled():
        # Under inference mode views cannot be recognised, which `attach` needs if a map grows in place.
        with torch.inference_mode(False), torch.no_grad():
            return forward_masked(model, images, sizes, rule=rule, check=check)
    _refuse_hidden(model)
    if not check:
        return _followed(model, images, lengths, rule)
    seen, batch = seen_batches(model), fingerprint(images, lengths, rule)
    if batch in seen:
        return _followed(model, images, lengths, rule)
    result = _followed(model, images, lengths, rule, poison=True)
    with torch.no_grad():
        again = _singly(model, images, lengths) if rule == FIXED else _reversed(model, images, lengths, rule)
    compare(model, result, again, lengths)
    # Added only now, so that a batch whose comparison failed is compared again next time.
    seen.add(batch)
    return result


def _followed(
    model: nn.Module, images: Tensor, lengths: list[tuple[int, ...]], rule: str, poison: bool = False
) -> Masked:
    """Runs the network with masks; `poison` puts large numbers outside of the images, so that reading them shows."""
    mode = Masking(model, len(images), rule)
    cuts = [None, None, *(from_lengths(column) for column in zip(*lengths, strict=True))]
    state = make_valid(images.shape, cuts, batch=0)
    canvas = filled(images.clone(), state, in_place=not images.requires_grad)
    # Finite, since a network may multiply padded positions by 0; larger than every pixel, so that a mean shows it.
    if poison:
        canvas = filled(canvas, state, 1 + float(canvas.detach().abs().max()), in_place=not images.requires_grad)
    mode.attach(canvas, state)
    output = _run(model, mode, canvas)
    states = {id(tensor): mode.state(tensor) for tensor in tensors_in(output)}
    valid = map_tensors(output, lambda each: _rows(states[id(each)], each, len(images)))

    def finished(tensor: Tensor) -> Tensor:
        state = states[id(tensor)]
        return unmarked(tensor if state is None else filled(tensor, state, in_place=not torch.is_grad_enabled()))

    return Masked(map_tensors(output, finished), valid)


def _run(model: nn.Module, mode: Masking, canvas: Tensor) -> Any:
    try:
        with mode:
            return model(canvas)
    except Exception as error:
        if isinstance(error, PaddingError) and not isinstance(error, UnfollowableError):
            raise
        fails = f"fails on images padded to {tuple(canvas.shape)} with {type(error).__name__}: "
        what = f"{'' if isinstance(error, PaddingError) else fails}{error}"
        way_out = "use rule 'fixed', or run" if mode.rule == GROW else "run"
        raise UnfollowableError(
            f"{_layer(model, error.__traceback__)}: {what}; {way_out} the images one at a time (padding.forward_singly)"
        ) from error
    finally:
        # From here on, sizes that the network stored act as plain numbers.
        mode.run.over = True


def _layer(model: nn.Module, trace: TracebackType | None) -> str:
    """Names the innermost module of the network in the traceback of an error."""
    names = {id(module): name for name, module in model.named_modules()}
    modules = [frame.f_locals.get("self") for frame, _ in traceback.walk_tb(trace)]
    inner = next((each for each in reversed(modules) if isinstance(each, nn.Module) and id(each) in names), model)
    name = names[id(inner)]
    return f"layer '{name}' ({type(inner).__name__})" if name else type(inner).__name__


def _singly(model: nn.Module, images: Tensor, lengths: list[tuple[int, ...]]) -> Masked:
    try:
        return forward_singly(model, images, lengths)
    except PaddingError:
        raise
    except Exception as error:
        raise UnfollowableError(
            f"{type(model).__name__} runs on images padded to {tuple(images.shape)}, but fails on one of {lengths} "
            f"alone with {type(error).__name__}: {error}; enlarge the image, or leave it out"
        ) from error


def _reversed(model: nn.Module, images: Tensor, lengths: list[tuple[int, ...]], rule: str) -> Masked:
    """Runs the images with masks in reversed order, and returns the results in the original order."""
    output, valid = _followed(model, images.flip(0), lengths[::-1], rule)
    return Masked(map_tensors(output, lambda each: each.flip(0)), map_tensors(valid, lambda each: each.flip(0)))


def _refuse_hidden(model: nn.Module) -> None:
    """Raises UnfollowableError if a mode cannot see the functions that the network calls."""
    if isinstance(model, nn.DataParallel | nn.parallel.DistributedDataParallel):
        # DataParallel runs in threads, which lose masks. Under DistributedDataParallel a process that gets new sizes
        # would run the network once more than the other processes, which would wait for it for ever.
        raise UnfollowableError(f"{type(model).__name__} does not run the network in step with masks; use model.module")
    for name, module in model.named_modules():
        where = f"layer '{name}'" if name else "the model"
        if isinstance(module, torch.jit.ScriptModule | torch.fx.GraphModule) or is_compiled(module):
            raise UnfollowableError(
                f"{where} is compiled or traced: its functions cannot be followed; use the original"
            )
        # timm's networks have this attribute. Other uses of torch.utils.checkpoint cannot be detected.
        if torch.is_grad_enabled() and getattr(module, "grad_checkpointing", False):
            raise UnfollowableError(
                f"{where} has gradient checkpointing, which runs layers again in the backward pass, where masks are "
                "lost; turn it off with model.set_grad_checkpointing(False), or run under torch.no_grad()"
            )


def _rows(state: Valid | None, tensor: Tensor, images: int) -> Tensor | None:
    """The valid interval of each image and spatial axis, int64 (N, A, 2); None if the tensor is no map.

    Raises:
        PaddingError: an axis that is not spatial is cut, or the images are not on the first axis.
    """
    if state is not None and (min((2, *state.cut)) < 2 or state.batch != 0 or len(tensor) != images):
        raise PaddingError(
            f"the model returns a tensor {tuple(tensor.shape)} for {images} images; outputs must be (N, C, *spatial), "
            "valid on all channels"
        )
    if state is None or tensor.dim() < 3:
        return None
    columns = [extents_of(tensor, state, axis, images) for axis in range(2, tensor.dim())]
    return torch.tensor(list(zip(*columns, strict=True)))
