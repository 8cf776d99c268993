"""Runs a function for each image alone, on its valid part and with its own sizes, and joins the results on a canvas.

This is slow, but right for every function that does not mix the images of a batch.
"""

from typing import Any

from torch import Tensor

from padding.errors import UnfollowableError
from padding.masked.call import Call, Output, Result, map_leaves, result, rule, rule_for, tensors_in
from padding.masked.extents import GROW
from padding.masked.lengths import own_number
from padding.masked.state import Valid, crop, from_lengths, make_valid, paste
from padding.schemes.transposed import transposed_convolution


@rule("broadcast_to", "cummax", "expand", "flip", "index_select", "narrow", "pad", "repeat_interleave", "roll", "stack")
def image_by_image(call: Call) -> Result:
    """Runs the function for each image alone.

    Raises:
        UnfollowableError: the images are not on axis 0, or the function mixes them.
    """
    if not call.cut and call.images == 1 and call.sized is None:
        output = call.run()
        found = [((None,) * each.dim(), 0 if each.shape[:1] == (1,) else None) for each in tensors_in(output)]
        return Result(output, [Valid(*each) for each in found])
    if call.cut and call.rule == GROW:
        raise UnfollowableError("Eq. 3 of the paper does not say what becomes of a mask here")
    if any(state is not None and state.batch != 0 for _, state in call.states):
        raise UnfollowableError("the images are not on its first axis")
    outputs = [_run_for_image(call, image) for image in range(call.images)]
    pasted = [_on_canvas(parts) for parts in zip(*map(tensors_in, outputs), strict=True)]
    tensors = iter([tensor for tensor, _ in pasted])
    output = map_leaves(outputs[0], lambda leaf: next(tensors) if isinstance(leaf, Tensor) else leaf)
    return Result(output, [state for _, state in pasted])


def _run_for_image(call: Call, image: int) -> Output:
    def own(leaf: Any) -> Any:
        if not isinstance(leaf, Tensor):
            return own_number(leaf, image)
        state = call.valid(leaf)
        return leaf if state is None else crop(leaf, state, image, call.images)

    args, kwargs = map_leaves(call.sized or (call.args, call.kwargs), own)
    return call.function(*args, **kwargs)


def _on_canvas(parts: tuple[Tensor, ...]) -> tuple[Tensor, Valid]:
    # A result of the batch as a whole has no row per image.
    if any(part.dim() == 0 or part.shape[0] != 1 for part in parts):
        shapes = ", ".join(str(tuple(part.shape)) for part in parts)
        raise UnfollowableError(f"it gives no row of its own for each image, but {shapes} for each alone")
    canvas = paste(parts)
    axes = [from_lengths(lengths) for lengths in zip(*(part.shape for part in parts), strict=True)]
    return canvas, make_valid(canvas.shape, [None, *axes[1:]], batch=0)


_BY_ROWS = """
avg_pool1d avg_pool3d baddbmm bmm conv_transpose1d conv_transpose2d conv_transpose3d fold group_norm instance_norm
interpolate lp_pool2d local_response_norm pixel_shuffle pixel_unshuffle scaled_dot_product_attention unfold upsample
"""


@rule_for(transposed_convolution)
@rule(*_BY_ROWS.split())
def batched(call: Call) -> Result:
    """Functions that treat each row of the first axis by itself: on the canvas if nothing is cut."""
    dims = max(tensor.dim() for tensor, _ in call.states)  # with fewer axes, axis 0 would broadcast to another axis
    rows = all(state is None or (state.batch == 0 and tensor.dim() == dims) for tensor, state in call.states)
    if call.cut or dims < 3 or not rows:
        return image_by_image(call)
    return result(call.run(), None, batch=0)
