"""Functions that work along one axis, most often the channels', each position of the other axes by itself."""

from torch import Tensor

from padding.errors import UnfollowableError
from padding.masked.call import Call, Result, tensors_in, whole_results
from padding.masked.registry import rule
from padding.masked.rules.singly import image_by_image
from padding.masked.state import inherited, make_valid, whole


def _along(call: Call, *dims: int) -> Result:
    """A function that keeps the shape and reads along `dims` alone."""
    tensor, state = call.input()
    if any(dim % tensor.dim() in (*state.cut, state.batch) for dim in dims):
        return image_by_image(call)
    output = call.run()
    return Result(output, [inherited(each, tensor, state) for each in tensors_in(output)])


@rule("softmax", "log_softmax", "softmin", "cumsum", "cumprod", "logcumsumexp", "glu")
def along_dim(call: Call) -> Result:
    bound = call.bind("input", "dim", dim=None)
    if bound.dim is None:
        raise UnfollowableError("it does not say along which axis")
    return _along(call, bound.dim)


@rule("normalize", "cosine_similarity")
def along_dim_normalised(call: Call) -> Result:
    return _along(call, call.bind("input", "p", "dim", dim=1).dim)


@rule("prelu")
def one_slope_a_channel(call: Call) -> Result:
    return _along(call, 1)


@rule("layer_norm", "rms_norm")
def layer_norm(call: Call) -> Result:
    shape = call.bind("input", "normalized_shape").normalized_shape
    return _along(call, *range(-len(shape), 0))


@rule("batch_norm")
def batch_norm(call: Call) -> Result:
    """Each channel has its own numbers, which do not depend on the batch.

    Raises:
        UnfollowableError: in training, where they are those of the batch.
    """
    bound = call.bind(
        "input", "running_mean", "running_var", "weight", "bias", "training", "momentum", "eps", training=False
    )
    if bound.training:
        if call.valid(bound.input) is None:
            return whole_results(call.run())
        raise UnfollowableError(
            "it normalises by the batch, holes and all; put the model into evaluation mode: model.eval()"
        )
    return _along(call)


@rule("linear")
def linear(call: Call) -> Result:
    bound = call.bind("input", "weight", "bias", bias=None)
    tensor, state = call.input()
    if call.valid(bound.weight) is not None:
        raise UnfollowableError("its weights are computed from the images")
    if tensor.dim() - 1 in state.cut:
        raise UnfollowableError("it mixes the positions of an axis on which the images end at different positions")
    output = call.run()
    return Result(output, [inherited(output, tensor, state)])


@rule("matmul", "__matmul__", "__rmatmul__", "mm")
def matmul(call: Call) -> Result:
    """By a constant matrix as a linear layer; else image by image."""
    first, second = [*call.args, *call.kwargs.values()][:2]
    state = call.valid(first)
    constant = isinstance(second, Tensor) and call.valid(second) is None and second.dim() == 2
    mixed = () if state is None else (*state.cut, state.batch)
    if state is not None and constant and call.function.__name__ != "__rmatmul__" and first.dim() - 1 not in mixed:
        output = call.run()
        return Result(output, [make_valid(output.shape, state.axes, state.batch)])
    if not call.cut:
        return _matrices(call)
    if any(tensor.dim() < 3 for tensor, state in call.states if state is not None):
        raise UnfollowableError("it has no axis of the images in front of the matrices")
    return image_by_image(call)


def _matrices(call: Call) -> Result:
    """Of each image its own: at once where the images are on an axis in front of the matrices."""
    places = {None if state.batch is None else state.batch - tensor.dim() for tensor, state in call.states if state}
    place = places.pop() if len(places) == 1 else None
    if place is None or place >= -2:
        return image_by_image(call)
    output = call.run()
    return Result(output, [whole(output, batch=output.dim() + place)])


@rule("multi_head_attention_forward")
def attention(call: Call) -> Result:
    """Of whole images, (L, N, E), as the layer calls it; the weights that it may return are (N, ...)."""
    if call.cut:
        raise UnfollowableError("there is no rule for it")
    known = [(tensor, state) for tensor, state in call.states if state is not None]
    if any(state.batch != 1 or tensor.dim() != 3 for tensor, state in known):
        raise UnfollowableError("the images are not on the second axis of what it reads")
    output, weights = call.run()
    states = [whole(output, batch=1)] + ([] if weights is None else [whole(weights, batch=0)])
    return Result((output, weights), states)
