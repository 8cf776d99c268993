"""Functions that work along one axis, most often the channels', each position of the other axes by itself."""

from torch import Tensor

from padding.errors import UnfollowableError
from padding.masked.call import Call, Result, tensors_in
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


@rule("normalize", "cosine_similarity", "prelu")
def along_channels(call: Call) -> Result:
    return _along(call, call.bind("input", "p", "dim", dim=1).dim)


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
    names = "input", "running_mean", "running_var", "weight", "bias", "training"
    if call.bind(*names, training=False).training:
        raise UnfollowableError(
            "it normalises by the batch, holes and all; put the model into evaluation mode: model.eval()"
        )
    return _along(call)


@rule("linear")
def linear(call: Call) -> Result:
    tensor, state = call.input()
    if any(each is not None for _, each in call.states[1:]):
        raise UnfollowableError("its weights are computed from the images")
    if tensor.dim() - 1 in state.cut:
        raise UnfollowableError("it mixes the positions of an axis on which the images end at different positions")
    output = call.run()
    return Result(output, [inherited(output, tensor, state)])


@rule("matmul", "__matmul__", "__rmatmul__", "mm")
def matmul(call: Call) -> Result:
    """By a constant matrix as a linear layer; of each image its own matrices at once where nothing is cut."""
    first, second = [*call.args, *call.kwargs.values()][:2]
    state = call.valid(first)
    mixed = () if state is None else (*state.cut, state.batch)
    constant = isinstance(second, Tensor) and second.dim() == 2 and call.valid(second) is None
    if constant and call.function.__name__ != "__rmatmul__" and first.dim() - 1 not in mixed:
        output = call.run()
        return Result(output, [make_valid(output.shape, state.axes, state.batch)])
    places = {None if state.batch is None else state.batch - tensor.dim() for tensor, state in call.states if state}
    place = places.pop() if len(places) == 1 else None
    if call.cut or place is None or place >= -2:
        if any(tensor.dim() < 3 for tensor, state in call.states if state is not None and call.cut):
            raise UnfollowableError("it has no axis of the images in front of the matrices")
        return image_by_image(call)
    output = call.run()
    return Result(output, [whole(output, batch=output.dim() + place)])
