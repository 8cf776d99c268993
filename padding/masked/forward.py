"""A network on images of different sizes that were padded to one."""

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
    """Runs a network on images padded to one size, so that it never sees what was padded.

    >>> conv, images = torch.nn.Conv2d(3, 4, 3), torch.ones(2, 3, 9, 9)
    >>> forward_masked(conv, images, [(9, 7), (5, 9)]).valid.tolist()
    [[[0, 7], [0, 5]], [[0, 3], [0, 7]]]

    The mask of every layer is one interval an axis and image ("case of big padding size", section 3 of Liu et al.
    2018), followed through the network's code as it stands. Anything may stand outside of an image, NaN included.

    Args:
        model: in evaluation mode as far as it normalises by batches; its padding scheme any one for `fixed`, partial
            for `grow`.
        images: (N, C, H, W), each image at the top left; also signals (N, C, L) and volumes (N, C, D, H, W).
        sizes: (N, 2) integers, height and width of each image; (N, 1) lengths of signals, (N, 3) of volumes.
        rule: `fixed`: a position is valid if it exists in the network run on that image alone, and holds what that run
            gives. `grow`: if its window read at least one valid position (Eq. 3), on a canvas that is as wide as the
            batch; sums and concatenations of differently grown maps are valid where any part is, the others 0 there.
        check: compares the first batch of each canvas and set of sizes with another run: under `fixed` with
            `forward_singly`, each image alone; under `grow` with the same images in reversed order and another content
            of the padded area. Costs that second run. Without it, code that computes with the canvas' sizes
            out of sight, or mixes the images, gives wrong results in silence.

    Raises:
        UnfollowableError: a function that cannot be followed, named with its layer, or results that differ from single
            images: run `forward_singly` instead.
        PaddingError: sizes that do not fit the images; an image too small for the network.
    """
    lengths = checked_sizes(images, sizes)
    if rule not in RULES:
        raise PaddingError(f"unknown rule {rule!r}; choose one of {', '.join(RULES)}")
    if torch.compiler.is_compiling() or torch.jit.is_tracing():
        raise PaddingError("masks cannot be compiled, exported or traced; do that with a network that runs without")
    if rule == GROW and torch.is_inference_mode_enabled():
        # Inference mode does not say what is a view, which a map that grows in place has to know.
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
    # Only now: a batch whose comparison failed is compared again.
    seen.add(batch)
    return result


def _followed(
    model: nn.Module, images: Tensor, lengths: list[tuple[int, ...]], rule: str, poison: bool = False
) -> Masked:
    """One run with masks; `poison` puts large numbers outside of the images, so that reading them shows."""
    mode = Masking(model, len(images), rule)
    cuts = [None, None, *(from_lengths(column) for column in zip(*lengths, strict=True))]
    state = make_valid(images.shape, cuts, batch=0)
    canvas = filled(images.clone(), state, in_place=not images.requires_grad)
    # Finite, since a network may multiply by 0 and 0 times NaN is NaN; larger than any pixel, so that a mean shows it.
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
        # Sizes that the network kept are plain numbers from here on.
        mode.run.over = True


def _layer(model: nn.Module, trace: TracebackType | None) -> str:
    """The innermost module of the network that an error came through."""
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
    """The run with masks of the images in reversed order, its results in the order of the images again."""
    output, valid = _followed(model, images.flip(0), lengths[::-1], rule)
    return Masked(map_tensors(output, lambda each: each.flip(0)), map_tensors(valid, lambda each: each.flip(0)))


def _refuse_hidden(model: nn.Module) -> None:
    """Raises UnfollowableError where no mode can see the functions of the network."""
    if isinstance(model, nn.DataParallel | nn.parallel.DistributedDataParallel):
        # The one runs in threads, which lose masks. Of the other, a process that meets new sizes runs the network once
        # more than the others, which would wait for it for ever.
        raise UnfollowableError(f"{type(model).__name__} does not run the network in step with masks; use model.module")
    for name, module in model.named_modules():
        where = f"layer '{name}'" if name else "the model"
        if isinstance(module, torch.jit.ScriptModule | torch.fx.GraphModule) or is_compiled(module):
            raise UnfollowableError(
                f"{where} is compiled or traced: its functions cannot be followed; use the original"
            )
        # timm's networks say so. What others do by torch.utils.checkpoint cannot be known.
        if torch.is_grad_enabled() and getattr(module, "grad_checkpointing", False):
            raise UnfollowableError(
                f"{where} has gradient checkpointing, which runs layers again in the backward pass, where masks are "
                "lost; turn it off with model.set_grad_checkpointing(False), or run under torch.no_grad()"
            )


def _rows(state: Valid | None, tensor: Tensor, images: int) -> Tensor | None:
    """The valid interval of each spatial axis.

    Raises:
        PaddingError: another axis than these is cut, or the images are not on the first.
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
