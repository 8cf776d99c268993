"""Functions that are run for one image after the other, each on its own part and with its own arguments.

The slow way that is right for whatever treats the images of a batch apart: the results are put onto a canvas again.
"""

from typing import Any

from torch import Tensor

from padding.errors import UnfollowableError
from padding.masked.call import Call, Result, tensors_in
from padding.masked.canvas import paste
from padding.masked.extents import GROW
from padding.masked.registry import namesakes, rule, rule_for
from padding.masked.state import Valid, crop, from_lengths, make_valid, whole
from padding.masked.traces import Shape
from padding.schemes.transposed import transposed_convolution

_SIZED = frozenset(namesakes("__getitem__", "interpolate", "narrow", "pad", "roll", "split", "unflatten"))
"""Functions whose arguments are often computed from the size of an image."""


@rule("cummax", "flip", "index_select", "narrow", "pad", "repeat_interleave", "roll")
def image_by_image(call: Call) -> Result:
    """Runs the function for each image alone.

    Raises:
        UnfollowableError: the images are not on axis 0, or the function mixes them.
    """
    if not call.cut and call.images == 1 and _told_alike(call):
        output = call.run()
        return Result(output, [whole(each, 0 if each.shape[:1] == (1,) else None) for each in tensors_in(output)])
    if call.cut and call.rule == GROW:
        raise UnfollowableError("Eq. 3 of the paper does not say what becomes of a mask here")
    if any(state is not None and state.batch != 0 for _, state in call.states):
        raise UnfollowableError("the images are not on its first axis")
    own = [_for_image(call, image) for image in range(call.images)]
    outputs = [call.function(*args, **kwargs) for args, kwargs in own]
    flat = [list(tensors_in(output)) for output in outputs]
    pasted = [_on_canvas(parts) for parts in zip(*flat, strict=True)]
    return Result(_filled(outputs[0], iter([tensor for tensor, _ in pasted])), [state for _, state in pasted])


@rule_for(transposed_convolution)
@rule(
    "avg_pool1d",
    "avg_pool3d",
    "baddbmm",
    "bmm",
    "conv_transpose1d",
    "conv_transpose2d",
    "conv_transpose3d",
    "fold",
    "group_norm",
    "instance_norm",
    "interpolate",
    "lp_pool2d",
    "local_response_norm",
    "pixel_shuffle",
    "pixel_unshuffle",
    "scaled_dot_product_attention",
    "unfold",
    "upsample",
)
def batched(call: Call) -> Result:
    """Functions that treat each row of the first axis by itself: at once if nothing is cut."""
    known = [(tensor, state) for tensor, state in call.states if state is not None]
    if call.cut or any(state.batch != 0 or tensor.dim() < 3 for tensor, state in known) or not _told_alike(call):
        return image_by_image(call)
    output = call.run()
    return Result(output, [whole(each, batch=0) for each in tensors_in(output)])


def row_by_row(call: Call) -> Result:
    """Functions of which nothing is known, where nothing is cut: what they give for each image alone.

    Raises:
        UnfollowableError: it gives no tensor, or not one row an image.
    """
    result = image_by_image(call)
    if not result.states:
        raise UnfollowableError("it takes values out of the images' tensors")
    return result


def _told_alike(call: Call) -> bool:
    return call.mode.lockstep is None or call.mode.lockstep.told_alike(call)


def _on_canvas(parts: tuple[Tensor, ...]) -> tuple[Tensor, Valid]:
    """Results of single images on one canvas, and where each is valid.

    Raises:
        UnfollowableError: they are not one row an image.
    """
    if any(part.dim() == 0 or part.shape[0] != 1 for part in parts):
        raise UnfollowableError("it merges the images of the batch with another axis")
    canvas = paste(parts)
    axes = [from_lengths(lengths) for lengths in zip(*(part.shape for part in parts), strict=True)]
    return canvas, make_valid(canvas.shape, [None, *axes[1:]], batch=0)


def _for_image(call: Call, image: int) -> tuple[tuple, dict]:
    """The arguments of one image alone."""
    if call.mode.lockstep is None:
        if call.cut and call.function in _SIZED:
            raise UnfollowableError("its arguments may depend on the image's size, which check=True finds out")
        twin = None
    else:
        twin = call.mode.lockstep.arguments(call, image)
    parts = iter([_part(call, tensor, state, image, twin) for tensor, state in call.states])
    return _filled((call.args, call.kwargs) if twin is None else twin, parts)


def _part(call: Call, tensor: Tensor, state: Valid | None, image: int, twin: Any) -> Tensor:
    if state is not None and state.batch == 0:
        return crop(tensor, state, image, call.images)
    if tensor.dim() and tensor.shape[0] == call.images > 1 and twin is not None:
        # Constants repeated for every image, as class tokens are; the twin shows which they are.
        shapes = dict(zip(map(id, (each for each, _ in call.states)), _shapes_in(twin), strict=True))
        if shapes[id(tensor)][0] == 1:
            return tensor[image : image + 1]
    if state is not None:
        raise UnfollowableError("it is not known which axis of an argument the images are on")
    return tensor


def _shapes_in(value: Any) -> list[Shape]:
    if isinstance(value, Shape):
        return [value]
    if isinstance(value, dict):
        value = tuple(value.values())
    return [shape for each in value for shape in _shapes_in(each)] if isinstance(value, tuple | list) else []


def _filled(value: Any, parts: Any) -> Any:
    """The nesting with each tensor, or what stands for one, replaced by the next of `parts`."""
    if isinstance(value, Tensor | Shape):
        return next(parts)
    if isinstance(value, tuple | list):
        return type(value)(_filled(each, parts) for each in value)
    if isinstance(value, dict):
        return {key: _filled(each, parts) for key, each in value.items()}
    return value
