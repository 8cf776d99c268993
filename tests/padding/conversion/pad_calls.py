"""Notes calls of torch's functions that pad with zeros, and the modules that made them, above autograd."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import nn
from torch.overrides import TorchFunctionMode

_READ = ("input", "weight", "bias", "stride", "padding")
CONVOLUTIONS = {getattr(torch, f"conv{axes}d"): axes for axes in (1, 2, 3)}


class PadCalls(TorchFunctionMode):
    """Within `with PadCalls(model) as calls`, `calls.found` collects (module, name of the function).

    Only what convolutions can read: maps (at least three axes) padded with zeros, and convolutions given a padding.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model
        self.running: list[nn.Module] = [model]
        self.found: list[tuple[nn.Module, str]] = []

    def __torch_function__(self, function: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        kwargs = kwargs or {}
        if function is F.pad:
            self._pad(*args, **kwargs)
        elif function in CONVOLUTIONS:
            self._convolution(CONVOLUTIONS[function], *args, **{name: kwargs[name] for name in kwargs if name in _READ})
        elif function is F.unfold and _any(kwargs.get("padding", args[3] if len(args) > 3 else 0)):
            self.found.append((self.running[-1], "unfold"))
        return function(*args, **kwargs)

    def _pad(self, input: Any, pad: Any, mode: str = "constant", value: float | None = None) -> None:
        if mode == "constant" and not value and max(pad[: 2 * (input.dim() - 2)], default=0) > 0:
            self.found.append((self.running[-1], "pad"))

    def _convolution(
        self,
        axes: int,
        input: Any,
        weight: Any,
        bias: Any = None,
        stride: Any = 1,
        padding: Any = 0,
        *_: Any,
        **__: Any,
    ) -> None:
        same = padding == "same" and max(weight.shape[2:]) > 1
        if same or (padding not in ("same", "valid") and _any(padding)):
            self.found.append((self.running[-1], f"conv{axes}d"))

    def _leave(self, *_: Any) -> None:
        self.running.pop()

    def __enter__(self) -> "PadCalls":
        self.handles = []
        for module in self.model.modules():
            self.handles.append(module.register_forward_pre_hook(lambda module, _: self.running.append(module)))
            self.handles.append(module.register_forward_hook(self._leave, always_call=True))
        super().__enter__()
        return self

    def __exit__(self, *error: Any) -> Any:
        for handle in self.handles:
            handle.remove()
        return super().__exit__(*error)


def _any(padding: Any) -> bool:
    return any(padding) if isinstance(padding, tuple | list) else bool(padding)
