"""Registers padding schemes and convolution classes, and finds them by name or class."""

import difflib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from padding.errors import PaddingError
from padding.geometry import AnyPads


@dataclass(frozen=True)
class Scheme:
    """A padding scheme: how a convolution treats the border."""

    name: str
    convolve: Callable[..., Tensor] | None
    """`convolve(input, weight, bias, geometry) -> output` on a batched input; None means torch's own zero padding."""
    survives_fusing: bool
    """Whether parallel branches and the one convolution that they are fused into compute the same. True for schemes
    that fill the border with values; False if the weight at the border depends on the kernel size."""
    with_holes: Callable[..., tuple[Tensor, Tensor]] | None = None
    """`with_holes(input, valid, weight, bias, geometry) -> (output, valid)` for an input with holes; None if the scheme
    takes no masks."""
    transposed: Callable[..., Tensor] | None = None
    """`transposed(input, weight, bias, geometry) -> output` for transposed convolutions; None leaves them unchanged."""
    pools: dict[type[nn.Module], type[nn.Module]] = field(default_factory=dict, compare=False)
    """Maps the class of a pool to the class that replaces it under `convert_padding(..., pools=True)`."""
    power: float | None = None
    """The exponent of the ratio of Eq. 5, for schemes that multiply by the ratio instead of filling the border."""
    fills: Callable[[int], tuple] | None = field(default=None, compare=False)
    """`fills(axes)`: one `padding.schemes.ring.Fill` per axis, for schemes that fill one axis after the other."""
    pad: Callable[..., Tensor] | None = None
    """`pad(input, pads, training) -> padded input`, for schemes that fill the border in another way."""
    start: Callable[..., Tensor] | None = field(default=None, compare=False)
    """`start(weight, in_channels, pads)`: the initial value of the layer's parameter, which `convolve` gets as
    `learned`."""
    own_weights: bool = False
    """Whether the scheme applies only to layers that convolve with their `weight` unchanged."""
    first_alone: bool = False
    """Whether the scheme applies only to the first padded convolution of a model."""
    needs_pads: bool = False
    """Whether `convolve` takes `widest`, the pads that `start` got."""
    axes: int | None = None
    """The number of axes that the scheme's name lists, as 2 in 'zero,circular'; None if it takes any number."""
    files: tuple[Path, ...] = ()
    """The user's files that define the scheme."""
    sees_training: bool = False
    """Whether `convolve` takes `training`, the layer's mode; for schemes that draw numbers in training only."""


@dataclass(frozen=True)
class Convolution:
    """A module class that convolves, and how it does so under a scheme."""

    base: type[nn.Module]
    padding: Callable[[Any], AnyPads]
    """`padding(layer)`: the pads of a layer, or SAME_DYNAMIC; all zero if the layer does not pad with zeros."""
    forward: Callable[..., Tensor]
    """The base's forward, with its convolution replaced by `layer.convolve(...)` or `transposed_convolution`."""
    transposed: bool = False
    own_weight: bool = False
    """Whether the class convolves with `layer.weight` unchanged."""


_SCHEMES: dict[str, Scheme] = {}
_FAMILIES: dict[str, Callable[[str], Scheme]] = {}
_MADE: dict[str, Scheme] = {}
_CONVOLUTIONS: dict[type[nn.Module], Convolution] = {}


def register_scheme(name: str, *, survives_fusing: bool, **others: Any) -> Callable:
    """Decorator: makes `convolve(input, weight, bias, geometry) -> output` the scheme `name`, for every convolution.

    `input` is (N, C, *sizes), `weight` and `bias` are as for torch's functional convolutions, `geometry` is a
    `padding.geometry.Geometry`. `convolve` raises `PaddingError` for an input that it cannot pad; the layer's name is
    added to the message. `others` are further fields of `Scheme`.

    Raises:
        PaddingError: the name is taken.

    >>> from padding.schemes.convolve import unpadded
    >>> @register_scheme("valid", survives_fusing=True)
    ... def valid(input, weight, bias, geometry):
    ...     return unpadded(input, weight, bias, geometry)
    >>> _SCHEMES.pop("valid").name  # undone: this is an example
    'valid'
    """

    def register(convolve: Callable[..., Tensor]) -> Callable[..., Tensor]:
        add_scheme(Scheme(name, convolve, survives_fusing, **others))
        return convolve

    return register


def add_scheme(scheme: Scheme) -> None:
    """Registers a scheme. Raises PaddingError if its name is taken."""
    if scheme.name in _SCHEMES:
        raise PaddingError(f"a padding scheme named {scheme.name!r} exists already; choose another name")
    _SCHEMES[scheme.name] = scheme


def find_scheme(name: str) -> Scheme:
    """Finds a scheme by its name.

    Raises:
        PaddingError: the name is unknown; the message lists the registered names.
    """
    if name in _SCHEMES:
        return _SCHEMES[name]
    if name not in _MADE:
        family = next((make for mark, make in sorted(_FAMILIES.items()) if mark in name), None)
        if family is None:
            near = [f"; did you mean {each!r}?" for each in difflib.get_close_matches(name, _SCHEMES, 1)]
            raise PaddingError(
                f"unknown padding scheme {name!r}{''.join(near)}; choose one of {', '.join(_SCHEMES)}, extrapolate:N, "
                "or one an axis, as in 'zero,circular'; or your own, as FILE.py:FUNCTION"
            )
        _MADE[name] = family(name)
    return _MADE[name]


def register_family(mark: str) -> Callable:
    """Decorator: makes `make(name) -> Scheme` the maker of schemes whose names contain `mark`; called once per name.

    Marks are tried in alphabetical order. `make` raises `PaddingError` for an invalid name.
    """

    def register(make: Callable[[str], Scheme]) -> Callable[[str], Scheme]:
        _FAMILIES[mark] = make
        return make

    return register


def forget_made(mark: str) -> None:
    """Forgets schemes whose names contain `mark`, so that `find_scheme` makes them again."""
    for name in [name for name in _MADE if mark in name]:
        del _MADE[name]


def available_schemes() -> tuple[str, ...]:
    """The names of the registered schemes, in order of registration.

    >>> available_schemes()[0]
    'zero'
    """
    return tuple(_SCHEMES)


def register_convolution(
    base: type[nn.Module],
    *,
    padding: Callable[[Any], AnyPads] | None = None,
    own_weight: bool = False,
    transposed: bool = False,
) -> Callable:
    """Decorator: registers `forward(layer, *inputs) -> output` as the forward of `base` under every scheme but zero.

    `forward` does what `base.forward` does, but calls `layer.convolve(input, weight, bias, ...)` for the padded
    convolution. `padding(layer)` returns the pads of a layer. A registration does not cover subclasses that have a
    forward of their own. A forward that takes `mask_in=None` and passes it to `layer.convolve(..., mask=mask_in)` takes
    masks under 'partial'. `own_weight`: the forward convolves with `layer.weight` unchanged. `transposed`: the forward
    calls `padding.schemes.transposed.transposed_convolution` instead of `layer.convolve`.

    Raises:
        PaddingError: the class is registered already, or `padding` is missing and the convolution is not transposed.

    >>> class Doubled(nn.Conv2d):
    ...     def forward(self, input):
    ...         return super().forward(input) * 2
    >>> @register_convolution(Doubled, padding=lambda layer: tuple((each, each) for each in layer.padding))
    ... def doubled(layer, input):
    ...     return layer.convolve(input, layer.weight, layer.bias) * 2
    """

    def register(forward: Callable[..., Tensor]) -> Callable[..., Tensor]:
        if base in _CONVOLUTIONS:
            raise PaddingError(f"{base.__module__}.{base.__qualname__} is registered already")
        if padding is None and not transposed:
            raise PaddingError(f"{base.__module__}.{base.__qualname__} needs `padding`, the pads of an instance")
        _CONVOLUTIONS[base] = Convolution(base, padding or (lambda layer: ()), forward, transposed, own_weight)
        return forward

    return register


def find_convolution(kind: type[nn.Module]) -> Convolution | None:
    """Finds the registered convolution of a class, or of its nearest registered ancestor; None if there is none.

    An ancestor counts only if the class inherits its `forward`, `_conv_forward` and `__call__`, as the classes of
    parametrised layers do.
    """
    for ancestor in kind.__mro__:
        if ancestor in _CONVOLUTIONS:
            return _CONVOLUTIONS[ancestor] if _convolves_alike(kind, ancestor) else None
    return None


def _convolves_alike(kind: type[nn.Module], ancestor: type[nn.Module]) -> bool:
    names = ("forward", "_conv_forward", "__call__")
    return all(getattr(kind, name, None) is getattr(ancestor, name, None) for name in names)


add_scheme(Scheme("zero", None, survives_fusing=True))
