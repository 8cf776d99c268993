"""Following the valid part of each tensor while a network runs, without a change to its code."""

import inspect
from collections.abc import Iterable
from typing import Any

from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from padding.errors import PaddingError, UnfollowableError
from padding.masked import rules  # noqa: F401  (importing them registers what they define)
from padding.masked.call import Call, Result, name_of, tensors_in
from padding.masked.extents import GROW
from padding.masked.flow import constants_of, forget
from padding.masked.lockstep import Lockstep
from padding.masked.metadata import METADATA
from padding.masked.registry import find_rule
from padding.masked.rules.singly import row_by_row
from padding.masked.state import Extents, Valid, make_valid

_MARK = "_padding_valid"


class Masking(TorchFunctionMode):
    """Knows of each tensor which part of it is valid; a function that it has no rule for raises.

    Every tensor carries its state, and this run's key, as an attribute. One without a state that is no parameter or
    buffer of the network was made where the mode could not see it, in another thread or an earlier run: that raises,
    too, so that nothing is lost without a word.
    """

    def __init__(self, model: nn.Module, images: int, rule: str, lockstep: Lockstep | None = None):
        super().__init__()
        self.model, self.images, self.rule, self.lockstep = model, images, rule, lockstep
        self.constants = constants_of(model)
        # Marks outlive the run on whatever the network keeps: they name it by this, and keep nothing alive.
        self._key = object()

    def mark(self, tensor: Tensor, axes: Iterable[Extents | None]) -> Tensor:
        """Says where a batch of images is valid; (N, ...) with the images on axis 0."""
        self._attach(tensor, make_valid(tensor.shape, axes, batch=0))
        return tensor

    def state(self, tensor: Tensor) -> Valid | None:
        """What is known of a tensor; None of a constant.

        Raises:
            UnfollowableError: nothing is.
        """
        key, state = getattr(tensor, _MARK, (None, None))
        if key is self._key:
            return state
        if id(tensor) in self.constants:
            return None
        raise UnfollowableError(
            f"it reads a tensor of unknown origin, shape {tuple(tensor.shape)}: no parameter or buffer of the network, "
            "and made by nothing that could be followed"
        )

    def __torch_function__(self, function: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        kwargs = kwargs or {}
        if function in METADATA:
            return function(*args, **kwargs)
        try:
            result = self._follow(function, args, kwargs)
        except UnfollowableError as error:
            raise UnfollowableError(self._explain(function, args, kwargs, error)) from None
        for tensor, state in zip(tensors_in(result.output), result.states, strict=True):
            self._attach(tensor, state)
        return result.output

    def _follow(self, function: Any, args: tuple, kwargs: dict) -> Result:
        call = Call(self, function, args, kwargs, [(each, self.state(each)) for each in tensors_in((args, kwargs))])
        if self.lockstep:
            self.lockstep.advance(call)
        result = self._apply(call)
        if self.images > 1 and any(state is not None and state.batch is None for state in result.states):
            raise UnfollowableError("it mixes the images of the batch, or their axis is lost")
        if self.lockstep:
            self.lockstep.check(call, result)
        return result

    def _apply(self, call: Call) -> Result:
        if all(state is None for _, state in call.states):
            output = call.run()
            return Result(output, [None for _ in tensors_in(output)])
        follow = find_rule(call.function)
        if follow is None and (call.cut or call.writes):
            raise UnfollowableError("there is no rule for it")
        return row_by_row(call) if follow is None else follow(call)

    def _attach(self, tensor: Tensor, state: Valid | None) -> None:
        if state is None and id(tensor) in self.constants:
            return  # a function that gave a parameter back, as `to` may: nothing is written on it
        key, known = getattr(tensor, _MARK, (None, None))
        if key is self._key and known != state and tensor._is_view():
            raise PaddingError(
                "a view was changed in place by a tensor that is valid elsewhere; its base would not know"
            )
        setattr(tensor, _MARK, (self._key, state))

    def _explain(self, function: Any, args: tuple, kwargs: dict, error: UnfollowableError) -> str:
        shapes = ", ".join(str(tuple(tensor.shape)) for tensor in tensors_in((args, kwargs)))
        way_out = "use rule 'fixed', or run" if self.rule == GROW else "run"
        return (
            f"cannot follow the valid part of the images through {name_of(function)} on {shapes or 'no tensor'}"
            f"{self._where()}: {error}; {way_out} the images one at a time (padding.forward_singly)"
        )

    def _where(self) -> str:
        """Which module of the network is running: read off the stack, so that it costs nothing until it is needed."""
        names = {id(module): name for name, module in self.model.named_modules()}
        for frame in inspect.stack(context=0):
            module = frame.frame.f_locals.get("self")
            if id(module) in names and isinstance(module, nn.Module):
                name = names[id(module)]
                return f" in layer '{name}' ({type(module).__name__})" if name else f" in {type(module).__name__}"
        return ""


def unmarked(tensor: Tensor) -> Tensor:
    """The tensor, without what the run wrote on it: outputs go to other processes, and into files."""
    tensor.__dict__.pop(_MARK, None)
    forget(tensor)
    return tensor
