"""Functions of one position: what they give is valid where all that they read is."""

from collections.abc import Callable
from dataclasses import replace

from torch import Tensor

from padding.errors import UnfollowableError
from padding.masked.call import Call, Result, map_tensors, tensors_in, whole_results
from padding.masked.extents import FIXED
from padding.masked.fill import filled
from padding.masked.registry import rule
from padding.masked.rules.singly import image_by_image
from padding.masked.state import Extents, Valid, inherited, make_valid

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
    """Functions of one tensor."""
    if len(call.states) != 1:
        return position_by_position(call)
    ((tensor, state),) = call.states
    output = call.run()
    return Result(output, [inherited(output, tensor, state)])


@rule(*_OF_THE_FIRST.split())
def inherits_from_the_first(call: Call) -> Result:
    """Conversions and tensors made alike: a second tensor tells a type, not values."""
    if call.args and isinstance(call.args[0], Tensor) and call.valid(call.args[0]) is None:
        return Result(call.run(), [None])  # a constant
    tensor, state = call.input()
    output = call.run()
    return Result(output, [inherited(output, tensor, state)])


@rule("new_empty", "new_full", "new_ones", "new_tensor", "new_zeros")
def made_anew(call: Call) -> Result:
    """Constants, of the shape that they are told; the first argument tells a type."""
    if any(state is not None for _, state in call.states[1:]):
        raise UnfollowableError("it makes a constant of what comes from the images")
    return Result(call.run(), [None])


@rule(*_with_in_place(_OF_SEVERAL))
def position_by_position(call: Call) -> Result:
    """Broadcasts as torch does; what is cut must be cut alike.

    Raises:
        UnfollowableError: a constant or a whole tensor extends along an axis that is cut, or the cuts contradict.
    """
    if not call.cut:
        return _broadcast(call, []) if _batched(call) else whole_results(call.run())
    cuts = _align(call, union=False)
    return _broadcast(_on_one_canvas(call, cuts), cuts)


@rule(*_with_in_place(_SUMS))
def summed(call: Call) -> Result:
    """Under `grow`, of differently grown maps, of which the paper says nothing: valid on the union of their parts, each
    0 where it is not valid itself.

    Raises:
        UnfollowableError: as above; or the union is no rectangle.
    """
    if not call.cut or call.rule == FIXED:
        return position_by_position(call)
    cuts = _align(call, union=True)
    return _broadcast(_on_one_canvas(_cleared(call, cuts), cuts), cuts)


def _batched(call: Call) -> bool:
    return any(state is not None and state.batch is not None for _, state in call.states)


def _broadcast(call: Call, cuts: list[Extents | None]) -> Result:
    """Runs the call, whose result is cut as `cuts` says, counted from the last axis."""
    output = call.run()
    states = []
    for tensor in tensors_in(output):
        axes = [*[None] * tensor.dim(), *cuts][len(cuts) :]
        states.append(make_valid(tensor.shape, axes, _batch(call, tensor)))
    return Result(output, states)


def _on_one_canvas(call: Call, cuts: list[Extents | None]) -> Call:
    """The call with what canvases have beyond the smallest left out: they differ behind functions run singly."""
    smallest = {
        axis - len(cuts): min(size for tensor, _ in call.states if (size := _size(tensor, axis - len(cuts))) > 1)
        for axis, cut in enumerate(cuts)
        if cut is not None
    }
    return _with_tensors(call, lambda tensor: _narrowed(tensor, smallest))


def _size(tensor: Tensor, axis: int) -> int:
    """The size of an axis counted from the last; 1 where the tensor has no such axis."""
    return tensor.shape[axis] if tensor.dim() >= -axis else 1


def _narrowed(tensor: Tensor, sizes: dict[int, int]) -> Tensor:
    for axis, size in sizes.items():
        if _size(tensor, axis) > size:
            tensor = tensor.narrow(axis, 0, size)
    return tensor


def _with_tensors(call: Call, change: Callable[[Tensor], Tensor]) -> Call:
    args, kwargs = map_tensors((call.args, call.kwargs), change)
    return replace(call, args=args, kwargs=kwargs)


def _batch(call: Call, output: Tensor) -> int | None:
    """The axis of the images in the output; None where the arguments do not agree."""
    found = {
        output.dim() - tensor.dim() + state.batch
        for tensor, state in call.states
        if state is not None and state.batch is not None
    }
    return found.pop() if len(found) == 1 else None


def _align(call: Call, union: bool) -> list[Extents | None]:
    """The cut of each axis of the broadcast shape."""
    dims = max(tensor.dim() for tensor, _ in call.states)
    cuts: list[Extents | None] = [None] * dims
    for axis in range(dims):
        present = [
            (tensor, state, tensor.dim() - dims + axis)
            for tensor, state in call.states
            if tensor.dim() - dims + axis >= 0 and tensor.shape[tensor.dim() - dims + axis] > 1
        ]
        cuts[axis] = _agreed(call, present, union)
    if len({state.batch - tensor.dim() for tensor, state in call.states if state is not None and state.cut}) > 1:
        raise UnfollowableError("its arguments have the images on different axes")
    return cuts


def _agreed(call: Call, present: list[tuple[Tensor, Valid | None, int]], union: bool) -> Extents | None:
    """One axis' cut from all arguments that extend along it."""
    found = [None if state is None else state.axes[axis] for _, state, axis in present]
    if all(each is None for each in found):
        return None
    if any(state is None for _, state, _ in present):
        raise UnfollowableError("a constant extends along an axis on which the images end at different positions")
    sizes = [tensor.shape[axis] for tensor, _, axis in present]
    known = {each or ((0, size),) * call.images for each, size in zip(found, sizes, strict=True)}
    if len(known) == 1:
        return known.pop()
    if not union:
        raise UnfollowableError("its arguments are valid on different parts")
    return _union(known)


def _union(known: set[Extents]) -> Extents:
    of_images = [_solid(extents) for extents in zip(*known, strict=True)]
    return tuple((min(start for start, _ in each), max(stop for _, stop in each)) for each in of_images)


def _solid(extents: tuple[tuple[int, int], ...]) -> list[tuple[int, int]]:
    """Those that are not empty."""
    return [extent for extent in extents if extent[0] < extent[1]] or [(0, 0)]


def _cleared(call: Call, cuts: list[Extents | None]) -> Call:
    """The call with 0 in the parts of its arguments that the union adds to them."""
    known = [(tensor, state) for tensor, state in call.states if state is not None]
    _check_union([[*[None] * (len(cuts) - tensor.dim()), *state.axes] for tensor, state in known], cuts)
    narrower = [each for each in known if each[1].cut and list(each[1].axes) != cuts[len(cuts) - each[0].dim() :]]
    clear = {id(tensor): filled(tensor, state, in_place=_changes(call, tensor)) for tensor, state in narrower}
    return _with_tensors(call, lambda tensor: clear.get(id(tensor), tensor))


def _changes(call: Call, tensor: Tensor) -> bool:
    """Whether the call writes into this argument, which the network may go on using under its own name."""
    return tensor is call.args[0] and call.in_place


def _check_union(terms: list[list[Extents | None]], cuts: list[Extents | None]) -> None:
    """Raises UnfollowableError where no term is valid on all that the terms are valid on together."""
    if not any(_covers(axes, cuts) for axes in terms):
        raise UnfollowableError("the union of the parts on which its arguments are valid is no rectangle")


def _covers(axes: list[Extents | None], cuts: list[Extents | None]) -> bool:
    return all(own is None or own == union for own, union in zip(axes, cuts, strict=True))


@rule("cat", "concat", "concatenate")
def concatenated(call: Call) -> Result:
    """Along an axis that is not cut; under `grow` as for sums."""
    bound = call.bind("tensors", "dim", dim=0)
    parts = list(bound.tensors)
    dim = bound.dim % parts[0].dim()
    if any(state is not None and dim in state.cut for _, state in call.states):
        return image_by_image(call)
    return _joined(call, parts, dim, dim)


@rule("stack")
def stacked(call: Call) -> Result:
    """Along a new axis."""
    bound = call.bind("tensors", "dim", dim=0)
    parts = list(bound.tensors)
    return _joined(call, parts, bound.dim % (parts[0].dim() + 1), None)


def _joined(call: Call, parts: list[Tensor], dim: int, along: int | None) -> Result:
    """`along` is the axis of the parts that may differ in size; None where a new axis `dim` is made."""
    states = [call.valid(part) for part in parts]
    union = call.rule != FIXED
    if any(state is not None and along is not None and along == state.batch for state in states):
        raise UnfollowableError("it puts more images into the batch")
    cuts = [
        None if axis == along else _agreed(call, [(*each, axis) for each in zip(parts, states, strict=True)], union)
        for axis in range(parts[0].dim())
    ]
    if union and call.cut:
        call = _cleared(call, cuts)
    output = _on_one_canvas(call, cuts).run()
    batches = {state.batch for state in states if state is not None}
    batch = batches.pop() if len(batches) == 1 else None
    if along is None:
        cuts.insert(dim, None)
        batch = None if batch is None else batch + (dim <= batch)
    return Result(output, [make_valid(output.shape, cuts, batch)])
