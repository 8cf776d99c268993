"""Element-wise operations: an output position is valid where every input it reads is valid."""

from collections.abc import Callable
from dataclasses import replace

from torch import Tensor

from padding.errors import UnfollowableError
from padding.masked.call import Call, Result, map_tensors, rule, tensors_in
from padding.masked.extents import FIXED
from padding.masked.rules.singly import image_by_image
from padding.masked.state import Extents, Valid, extents_of, filled, make_valid

_OF_ONE = """
abs absolute alpha_dropout angle bernoulli celu clamp clamp_max clamp_min clip clone contiguous cos cosh deg2rad detach
dropout dropout1d dropout2d dropout3d elu erf erfc exp exp2 expm1 feature_alpha_dropout fill floor ceil frac gelu
hardshrink hardsigmoid hardswish hardtanh isfinite isinf isnan leaky_relu log log10 log1p log2 logical_not logit
logsigmoid mish nan_to_num neg negative positive rad2deg reciprocal relu relu6 requires_grad_ round rrelu rsqrt selu
sgn sigmoid sign silu sin sinh softplus softshrink softsign sqrt square tan tanh tanhshrink threshold trunc
bitwise_not __invert__ __neg__ __abs__ __pos__
"""
_OF_THE_FIRST = """
bfloat16 bool cpu cuda double float half int long to type type_as
zeros_like ones_like full_like empty_like rand_like randn_like
"""
_SUMS = "add sub subtract rsub __add__ __radd__ __iadd__ __sub__ __rsub__ __isub__"
_OF_SEVERAL = """
mul multiply div divide true_divide floor_divide fmod remainder pow atan2 maximum minimum fmax fmin hypot where lerp
addcmul addcdiv eq ne lt le gt ge logical_and logical_or logical_xor bitwise_and bitwise_or xlogy float_power
masked_fill __mul__ __rmul__ __imul__ __truediv__ __rtruediv__ __itruediv__ __div__ __rdiv__ __idiv__ __floordiv__
__mod__ __pow__ __rpow__ __ipow__ __eq__ __ne__ __lt__ __le__ __gt__ __ge__ __and__ __or__ __xor__
"""


def _with_in_place(names: str) -> list[str]:
    listed = names.split()
    return listed + [f"{name}_" for name in listed if not name.endswith("_")]


@rule(*_with_in_place(_OF_ONE))
def inherits(call: Call) -> Result:
    """Functions of one tensor: the output is valid where the input is."""
    state = call.states[0][1] if len(call.states) == 1 else None
    return position_by_position(call) if state is None else call.run_like(state)


@rule(*_OF_THE_FIRST.split())
def inherits_from_the_first(call: Call) -> Result:
    """Conversions, and new tensors like an argument: a second tensor gives its dtype only, not values."""
    state = call.valid(call.args[0])
    return Result(call.run(), [None]) if state is None else call.run_like(state)


@rule(*_with_in_place(_OF_SEVERAL))
def position_by_position(call: Call) -> Result:
    """Functions of several tensors, broadcast as in torch; the tensors must be valid on the same positions."""
    return _aligned(call, union=False)


@rule("expand_as")
def expanded(call: Call) -> Result:
    found = position_by_position(call)
    # Expanded positions share memory, so padded ones could not be filled.
    return Result(found.output.contiguous(), found.states)


@rule(*_with_in_place(_SUMS))
def summed(call: Call) -> Result:
    """Sums. Under `grow` terms may be valid on different parts, a case that the paper does not treat: the sum is valid
    on their union, and a term counts as 0 outside its own part.
    """
    return _aligned(call, union=call.rule != FIXED)


def _aligned(call: Call, union: bool, along: int | None = None) -> Result:
    """Runs a broadcasting function; `along` is a negative axis on which the arguments need not agree."""
    dims = max(tensor.dim() for tensor, _ in call.states)
    # Axes are counted from the last, where broadcasting aligns the arguments.
    cuts: list[Extents | None] = [None] * dims
    for axis in range(-dims, 0) if call.cut else ():
        # An axis of one position is broadcast, unless some image has none on it.
        parts = [
            (tensor, state, axis)
            for tensor, state in call.states
            if tensor.dim() >= -axis and (tensor.shape[axis] > 1 or (state and state.axes[axis]))
        ]
        cuts[axis] = None if axis == along else _agreed(call, parts, union)
    batches = {state.batch - tensor.dim() for tensor, state in call.states if state and state.batch is not None}
    if call.cut and len(batches) > 1:
        raise UnfollowableError("its arguments have the images on different axes")
    output = _on_one_canvas(_cleared(call, cuts) if union and call.cut else call, cuts).run()
    batch = next(iter(batches)) if len(batches) == 1 else None
    states = [
        make_valid(each.shape, [*[None] * each.dim(), *cuts][dims:], None if batch is None else each.dim() + batch)
        for each in tensors_in(output)
    ]
    return Result(output, states)


def _agreed(call: Call, along: list[tuple[Tensor, Valid | None, int]], union: bool) -> Extents | None:
    """The extents of the output along one axis, from all arguments that extend along it."""
    if all(state is None or state.axes[axis] is None for _, state, axis in along):
        return None
    if any(state is None for _, state, _ in along):
        raise UnfollowableError("a constant extends along an axis on which the images end at different positions")
    known = {extents_of(tensor, state, axis, call.images) for tensor, state, axis in along if state}
    if len(known) == 1:
        return known.pop()
    if not union:
        raise UnfollowableError("its arguments are valid on different parts")
    return tuple(map(_union, zip(*known, strict=True)))


def _union(extents: tuple[tuple[int, int], ...]) -> tuple[int, int]:
    solid = [extent for extent in extents if extent[0] < extent[1]] or [(0, 0)]
    return min(start for start, _ in solid), max(stop for _, stop in solid)


def _on_one_canvas(call: Call, cuts: list[Extents | None]) -> Call:
    """Narrows the arguments to the smallest canvas among them; canvases differ after functions run image by image."""
    smallest = {}
    for axis in (at - len(cuts) for at, cut in enumerate(cuts) if cut is not None):
        sizes = {tensor.shape[axis] for tensor, _ in call.states if tensor.dim() >= -axis} - {1}
        if len(sizes) > 1:
            smallest[axis] = min(sizes)

    def narrowed(tensor: Tensor) -> Tensor:
        for axis, size in smallest.items():
            if tensor.dim() >= -axis and tensor.shape[axis] > size:
                tensor = tensor.narrow(axis, 0, size)
        return tensor

    return _with_tensors(call, narrowed) if smallest else call


def _with_tensors(call: Call, change: Callable[[Tensor], Tensor]) -> Call:
    args, kwargs = map_tensors((call.args, call.kwargs), change)
    return replace(call, args=args, kwargs=kwargs)


def _cleared(call: Call, cuts: list[Extents | None]) -> Call:
    """Puts 0 into the part of each argument that lies in the union but is not valid in the argument.

    Raises:
        UnfollowableError: no argument is valid on the whole bounding box, so that the union is no rectangle.
    """
    known = [(tensor, state) for tensor, state in call.states if state is not None]
    terms = [[*[None] * (len(cuts) - tensor.dim()), *state.axes] for tensor, state in known]
    if not any(all(own in (None, all_) for own, all_ in zip(term, cuts, strict=True)) for term in terms):
        raise UnfollowableError("the union of the parts on which its arguments are valid is no rectangle")
    clear = {}
    for (tensor, state), term in zip(known, terms, strict=True):
        if state.cut and term != cuts:
            # An argument that the call changes in place must stay the same object, which the network may use later.
            changed = call.in_place and tensor is call.args[0]
            clear[id(tensor)] = filled(tensor, state, in_place=True) if changed else call.clear(tensor, state)
    return _with_tensors(call, lambda tensor: clear.get(id(tensor), tensor))


@rule("cat", "concat", "concatenate")
def concatenated(call: Call) -> Result:
    """Concatenation. Along an axis that is not cut it runs on the canvas, under `grow` with the union as for sums."""
    bound = call.bind("tensors", "dim", dim=0)
    axes = bound.tensors[0].dim()
    dim = bound.dim % axes
    if any(state is not None and dim in state.cut for _, state in call.states):
        return image_by_image(call)
    if any(state is not None and dim == state.batch for _, state in call.states):
        raise UnfollowableError("it puts more images into the batch")
    return _aligned(call, union=call.rule != FIXED, along=dim - axes)
