"""Runs a model once and lists zero padding that no layer shows: `F.pad` in a forward, a convolution as a function.

Padding is detected below autograd, in ATen operations, so that it does not matter how the forward was written. The
reader of the padded map decides what the padding means: a convolution or a cut of windows reads the border, whereas a
matrix product, as in attention over windows, reads tokens one by one.
"""

import contextlib
import functools
import traceback
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd
from torch.nn.modules.padding import _ConstantPadNd
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map_only
from torch.utils.weak import WeakIdKeyDictionary

from padding import functional
from padding.conversion.layers import PaddedLayer, built_mode
from padding.errors import PaddingError
from padding.registry import find_scheme
from padding.user_file import USER_MODULE

WINDOWS = {"aten::im2col", "aten::unfold", "aten::as_strided"}
"""Operations that cut windows; a product of windows with weights is a convolution."""

PRODUCTS = {"aten::mm", "aten::bmm", "aten::addmm", "aten::baddbmm"}
POOLS = {"aten::avg_pool1d", "aten::avg_pool2d", "aten::avg_pool3d"}
FILLS = {f"aten::{kind}_pad{axes}d": f"by {kind}" for kind in ("reflection", "replication") for axes in (1, 2, 3)}
"""Operations that fill a border, and how; circular padding is made of plain copies and cannot be detected."""
_ZEROS = {f"aten::{name}" for name in ("zeros", "new_zeros", "zeros_like", "zero_", "zero")}
_FILLED = {f"aten::{name}" for name in ("full", "new_full", "full_like", "fill_", "fill")}
"""Operations that make zeros if their last argument is 0. Zeros are detected by operation, not by value: a map that
happens to be 0, for example behind a head that starts at zero, is no padding."""
_PLACED = {"aten::slice_scatter", "aten::index_copy", "aten::index_copy_"}
"""Operations that write a map into a part of their first argument."""


@dataclass(eq=False)
class HiddenPad:
    """One place of a model that pads with zeros."""

    call: str
    """The call in words, such as "pads (0, 1, 0, 1) with zeros"."""
    read_by: str = ""
    """The kind of reader of the padded border: "convolution", "windows", "pool" or "product"; "" if none was seen."""
    weight: Tensor | None = None
    """The weight of the call, if it convolved."""
    scheme: str = ""
    """The scheme of a call of `padding.conv2d` or its kin: chosen there, whatever the model is converted to."""
    readers: list[nn.Module | None] = field(default_factory=list)
    """The modules that were running when the padded map itself was read, one entry per read; None for a read by an
    operation that is no convolution."""

    @property
    def matters(self) -> bool:
        """Whether a convolution may read the zeros: pools keep their padding, and a matrix product has no border."""
        return not (self.fills or self.scheme) and self.read_by not in ("product", "pool")

    @property
    def fills(self) -> bool:
        """Whether the call fills the border with values of the map, by its design, instead of zeros."""
        return self.call.endswith(tuple(FILLS.values()))

    def __str__(self) -> str:
        reader = {"convolution": "a convolution", "windows": "cut windows", "product": "a matrix product"}
        read = f", read by {reader[self.read_by]}" if self.read_by in reader and "convolves" not in self.call else ""
        return f"{self.call}{read}"


def find_hidden_pads(
    model: nn.Module, example: Any, shapes: list[tuple[int, ...]] | None = None
) -> dict[nn.Module, list[HiddenPad]]:
    """Runs `model` on `example` and lists the zero padding outside of converted layers, in the order of calls.

    The keys are the innermost modules that were running. The model runs once, in evaluation mode and without gradients;
    its modes and the CPU random generator's state are restored. Branches that evaluation skips, such as auxiliary
    heads, are not seen.

    Args:
        model: any model, converted or not.
        example: input of the model: a tuple of positional arguments, a dict of keyword arguments, or one argument.
        shapes: sizes of the maps that the model returned before it was converted, if they are known.

    Raises:
        PaddingError: the model cannot run on the example, or returns maps of other sizes than `shapes`.
    """
    recorder = _run(model, example)
    if shapes and shapes != recorder.shapes:
        raise PaddingError(
            f"the model returns maps of {recorder.shapes} instead of {shapes}: it reads the size of a map that a "
            "padding module made, and whose padding a convolution does now; convert it without an example"
        )
    return recorder.found


def find_followers(model: nn.Module, example: Any) -> tuple[dict[nn.Module, nn.Module], list[tuple[int, ...]]]:
    """Runs an unconverted model; maps each module that pads to the one convolution that reads its output.

    Also returns the sizes of the maps that the model returns.

    Only pairs that belong together count: nothing else reads the padded map, and the convolution reads nothing else. A
    module that did not pad in the run is its own follower. Raises as `find_hidden_pads`.
    """
    recorder = _run(model, example)
    followers = {module: module for module in model.modules() if module not in recorder.found}
    for module, found in recorder.found.items():
        readers = [reader for pad in found for reader in pad.readers]
        only = readers[0] if readers else None
        if only is not None and set(readers) == {only} and len(readers) == len(found) == recorder.convolved[only]:
            followers[module] = only
    return followers, recorder.shapes


def _run(model: nn.Module, example: Any) -> "_Recorder":
    recorder = _Recorder(model)
    axes = most_axes(model)
    recorder.unbatched = axes if isinstance(example, Tensor) and example.dim() == axes + 1 else 0
    modes = {module: module.training for module in model.modules()}
    try:
        model.eval()
        # Under inference mode tensors do not know their base, and composite operations are not decomposed.
        with (
            torch.inference_mode(False),
            torch.no_grad(),
            torch.random.fork_rng(devices=[]),
            _followed(model, recorder),
            recorder,
        ):
            # Clones, because the model may change its input in place, and the example serves a second run.
            output = _call(model, tree_map_only(Tensor, Tensor.clone, example))
    except PaddingError:
        raise
    except Exception as error:
        shapes = ", ".join(str(tuple(leaf.shape)) for leaf in _tensors(example))
        what = f"{type(error).__name__}: {error}{_in_user_file(error)}"
        raise PaddingError(f"the model cannot run on the example {shapes}: {what}") from error
    finally:
        for module, mode in modes.items():
            module.training = mode
    recorder.note_readers(_tensors(output), None)
    # Only outputs that are maps: the number of boxes that a detector finds may change with the border.
    recorder.shapes = [tuple(leaf.shape[2:]) for leaf in _tensors(output) if leaf.dim() > 2]
    return recorder


def _in_user_file(error: Exception) -> str:
    """` (FILE, line N)` of the innermost line of a user's scheme in the traceback; empty if there is none."""
    through = [
        f" ({frame.f_code.co_filename}, line {line})"
        for frame, line in traceback.walk_tb(error.__traceback__)
        if frame.f_globals.get("__name__", "").startswith(USER_MODULE)
    ]
    return through[-1] if through else ""


def most_axes(model: nn.Module) -> int:
    """The largest number of axes that a convolution of the model slides over: 2 for images."""
    return max((len(each.kernel_size) for each in model.modules() if isinstance(each, _ConvNd)), default=0)


def _call(model: nn.Module, example: Any) -> Any:
    if isinstance(example, tuple):
        return model(*example)
    return model(**example) if isinstance(example, dict) else model(example)


@contextlib.contextmanager
def _followed(model: nn.Module, recorder: "_Recorder") -> Iterator[None]:
    """Tells the recorder which module runs, also for a converted layer whose parent calls `_conv_forward` directly."""
    handles = []
    for module in model.modules():
        handles.append(module.register_forward_pre_hook(lambda module, _: recorder.running.append(module)))
        handles.append(module.register_forward_hook(recorder.leave, always_call=True))
        if isinstance(module, PaddedLayer):
            module.__dict__["convolve"] = functools.partial(recorder.convolve, module)
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
        for module in model.modules():
            module.__dict__.pop("convolve", None)


class _Recorder(TorchDispatchMode):
    """Records the operations that pad with zeros, and the operations that read the padded maps."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.running: list[nn.Module] = [model]
        self.found: dict[nn.Module, list[HiddenPad]] = {}  # by the module that was running
        self.shapes: list[tuple[int, ...]] = []  # sizes of the maps that the model returned
        self.unbatched = 0  # number of spatial axes if the example has no batch axis, else 0
        self._padded: WeakIdKeyDictionary = WeakIdKeyDictionary()  # tensor -> the pads that its border came from
        self._made: WeakIdKeyDictionary = WeakIdKeyDictionary()  # the output of a pad itself -> the pad
        self._zeros: WeakIdKeyDictionary = WeakIdKeyDictionary()  # tensors that were created as zeros
        self.convolved: Counter[nn.Module] = Counter()

    def leave(self, *_: Any) -> None:
        # Returns None, because a value that a forward hook returns replaces the module's output.
        self.running.pop()

    def convolve(self, layer: PaddedLayer, *args: Any, **kwargs: Any) -> Any:
        self.running.append(layer)
        try:
            return type(layer).convolve(layer, *args, **kwargs)
        finally:
            self.running.pop()

    def __torch_dispatch__(self, function: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        name = function._schema.name
        result = function(*args, **(kwargs or {}))
        if name == "aten::convolution":
            self.convolved[self.running[-1]] += 1
        self.note_readers(_tensors(args), self.running[-1] if name == "aten::convolution" else None)
        # Operations inside a converted layer, or a function under a scheme, are the scheme's: they count as reads only.
        if isinstance(self.running[-1], PaddedLayer):
            self._read(args, "convolution")
        elif scheme := _scheme_of_function():
            self._read(args, "convolution")
            if name == "aten::convolution":
                pad = HiddenPad(f"convolves by a function under '{scheme}'", "convolution", scheme=scheme)
                self.found.setdefault(self.running[-1], []).append(pad)
        else:
            self._follow(name, args, result)
            if call := self._padding(function, args):
                self._note(call, name, args, result)
        return result

    def note_readers(self, maps: list[Tensor], reader: nn.Module | None) -> None:
        for leaf in maps:
            if leaf in self._made:
                self._made[leaf].readers.append(reader)

    def _follow(self, name: str, args: tuple, result: Any) -> None:
        """Passes the marks of padded tensors on from an operation's inputs to its outputs."""
        if name == "aten::convolution":
            self._read(args[:1], "convolution")
        elif name in PRODUCTS:
            self._read(args, "product")
        else:
            if name in WINDOWS:
                self._read(args[:1], "windows")
            marks = {pad: None for leaf in _tensors(args) for pad in self._padded.get(leaf, ())}
            for leaf in _tensors(result) if marks else ():
                self._padded[leaf] = tuple(marks)
            if name in _ZEROS or (name in _FILLED and isinstance(args[-1], int | float) and args[-1] == 0):
                self._zeros[result] = True

    def _read(self, args: Any, reader: str) -> None:
        for leaf in _tensors(args):
            for pad in self._padded.get(leaf, ()):
                # A reader's output is a new map without marks. Of several readers, one that reads the border decides.
                if not pad.read_by or reader != "product":
                    pad.read_by = reader

    def _padding(self, function: Any, args: tuple) -> str:
        """Describes the zero padding of an operation in words; empty if it does not pad."""
        name = function._schema.name
        if "conv" in name:
            # Arguments are found by name: a deformable convolution has one argument per axis.
            named = {each.name: value for each, value in zip(function._schema.arguments, args, strict=False)}
            pads = tree_leaves([value for key, value in named.items() if key.startswith("pad")])
            zeros = any(isinstance(each, int) and each for each in pads) and not named.get("transposed")
            return f"convolves with padding {_short(pads)}" if zeros else ""
        # Amounts start at the last axis; after the spatial axes come channels, which have no border. A padding module
        # has amounts of spatial axes only, even if the map has no batch axis.
        spatial = args[1] if name == "aten::constant_pad_nd" else []
        if spatial and not isinstance(self.running[-1], _ConstantPadNd):
            # If the example has no batch axis, maps computed from it have none either.
            free = 1 if args[0].dim() == self.unbatched + 1 else 2
            spatial = spatial[: 2 * (args[0].dim() - free)]
        if max(spatial, default=0) > 0 and not (args[2] if len(args) > 2 else 0):
            return f"pads {_short(args[1])} with zeros"
        if name in FILLS and built_mode(self.running[-1]) == "zeros":
            return f"pads {_short(args[1])} {FILLS[name]}"
        if name == "aten::im2col" and any(args[3]):
            return f"cuts windows with padding {_short(args[3])}"
        # `count_include_pad` is the sixth argument of all three average pools.
        if name in POOLS and any(args[3:4] and args[3]) and (args[5] if len(args) > 5 else True):
            return f"pools with padding {_short(args[3])}"
        if written := self._written_into_zeros(name, args):
            return written
        if name == "aten::cat" and (args[1] if len(args) > 1 else 0) % max(args[0][0].dim(), 1) >= 2:
            return "appends zeros" if any(leaf in self._zeros for leaf in args[0]) else ""
        return ""

    def _written_into_zeros(self, name: str, args: tuple) -> str:
        """Describes in words an operation that writes a map into a part of zeros; empty for other operations."""
        if name == "aten::copy_":
            part, whole = args[0], args[0]._base
        elif name in _PLACED:
            part, whole = _tensors(args)[-1], args[0]
        else:
            return ""
        if whole is None or whole not in self._zeros or whole.dim() < 3:
            return ""
        # Compared from the last axis, since a part may be one image of the batch.
        alike = part.shape[2 - whole.dim() :] == whole.shape[2:]
        return "" if alike else f"writes {_short(part.shape)} into zeros of {_short(whole.shape)}"

    def _note(self, call: str, name: str, args: tuple, result: Any) -> None:
        convolves = "conv" in name
        read_by = {"aten::im2col": "windows"} | dict.fromkeys(POOLS, "pool")
        pad = HiddenPad(call, "convolution" if convolves else read_by.get(name, ""), args[1] if convolves else None)
        self.found.setdefault(self.running[-1], []).append(pad)
        if not pad.read_by:
            padded = args[0]._base if name == "aten::copy_" else result
            self._padded[padded], self._made[padded] = (pad,), pad


def _scheme_of_function() -> str:
    """The scheme under which `padding.conv2d` or its kin made the call; "" for none, and for zero padding."""
    code = functional._convolution.__code__
    calls = (frame.f_locals for frame, _ in traceback.walk_stack(None) if frame.f_code is code)
    scheme = next(calls, {"scheme": "zero"})["scheme"]
    return scheme if find_scheme(scheme).convolve else ""


def _tensors(values: Any) -> list[Tensor]:
    return [leaf for leaf in tree_leaves(values) if isinstance(leaf, Tensor)]


def _short(numbers: Any) -> str:
    return f"({', '.join(str(int(number)) for number in numbers)})"
