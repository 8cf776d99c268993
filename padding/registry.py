"""The registered schemes and convolution classes: a new one of either is added here."""

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
    """A way to convolve at the border."""

    name: str
    convolve: Callable[..., Tensor] | None
    """`convolve(input, weight, bias, geometry) -> output` on a batched input; None means torch's own zero padding."""
    survives_fusing: bool
    """Whether branches and the one convolution they were fused into still compute the same. True for schemes that fill
    the border with values; false where the weight at the border depends on the kernel size."""
    with_holes: Callable[..., tuple[Tensor, Tensor]] | None = None
    """`with_holes(input, valid, weight, bias, geometry) -> (output, valid)` for an input with holes; None: the scheme
    takes no masks."""
    transposed: Callable[..., Tensor] | None = None
    """`transposed(input, weight, bias, geometry) -> output`, a transposed convolution; None leaves it as it is."""
    pools: dict[type[nn.Module], type[nn.Module]] = field(default_factory=dict, compare=False)
    """Pools that the scheme can pad, too, where that is asked for: their classes, and those that take their place."""
    power: float | None = None
    """The exponent of Eq. 5's ratio in a scheme that multiplies by it and pads with nothing."""
    fills: Callable[[int], tuple] | None = field(default=None, compare=False)
    """`fills(axes)`: a `padding.schemes.ring.Fill` an axis, of a scheme that fills one axis after the other."""
    pad: Callable[..., Tensor] | None = None
    """`pad(input, pads, training) -> padded input`, of a scheme that fills in another way."""
    start: Callable[..., Tensor] | None = field(default=None, compare=False)
    """`start(weight, in_channels, pads)`: the value that a layer's parameter begins with, which `convolve` takes as
    `learned`."""
    own_weights: bool = False
    """Whether it takes layers alone that convolve with their `weight` as it is."""
    first_alone: bool = False
    """Whether it takes the first padded convolution alone."""
    needs_pads: bool = False
    """Whether `convolve` takes `widest`, the pads that `start` was given."""
    axes: int | None = None
    """How many axes it names; None: it takes any."""
    files: tuple[Path, ...] = ()
    """Files of the user's own that it came from."""
    sees_training: bool = False
    """Whether `convolve` takes `training`, the layer's mode: it draws, and is deterministic in evaluation."""


@dataclass(frozen=True)
class Convolution:
    """A module class that convolves."""

    base: type[nn.Module]
    padding: Callable[[Any], AnyPads]
    """`padding(layer)`: the pads of an instance, or SAME_DYNAMIC; all zero if it does not pad with zeros."""
    forward: Callable[..., Tensor]
    """The base's forward, its convolution done by `layer.convolve(...)`, or by `transposed_convolution`."""
    transposed: bool = False
    own_weight: bool = False
    """Whether it convolves with `layer.weight` as it is."""


_SCHEMES: dict[str, Scheme] = {}
_FAMILIES: dict[str, Callable[[str], Scheme]] = {}
_MADE: dict[str, Scheme] = {}
_CONVOLUTIONS: dict[type[nn.Module], Convolution] = {}


def register_scheme(name: str, *, survives_fusing: bool, **others: Any) -> Callable:
    """Decorator: makes `convolve(input, weight, bias, geometry) -> output` the scheme `name`, for every convolution.

    `input` is (N, C, *sizes), `weight` and `bias` as for torch's functional convolutions, `geometry` a
    `padding.geometry.Geometry`. Raise `PaddingError` for an input that cannot be padded; the layer's name is added.
    `others` are the fields of `Scheme` that a scheme may have besides.

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
    """The scheme of that name.

    Raises:
        PaddingError: an unknown name; the message lists the registered ones.
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
    """Decorator: schemes whose names hold `mark` are made by `make(name) -> Scheme`, once each.

    Marks are looked for in alphabetical order. `make` raises `PaddingError` for a name that means nothing.
    """

    def register(make: Callable[[str], Scheme]) -> Callable[[str], Scheme]:
        _FAMILIES[mark] = make
        return make

    return register


def forget_made(mark: str) -> None:
    """Makes schemes whose names hold `mark` anew when they are next named."""
    for name in [name for name in _MADE if mark in name]:
        del _MADE[name]


def available_schemes() -> tuple[str, ...]:
    """The names that `convert_padding` takes, in order of registration.

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

    `forward` does what `base.forward` does and calls `layer.convolve(input, weight, bias, ...)` in place of the padded
    convolution. `padding(layer)` gives an instance's pads. Registration is by exact type: a subclass with a forward of
    its own is another convolution. A forward with `mask_in=None`, handed on by
    `layer.convolve(..., mask=mask_in)`, takes masks under 'partial'. `own_weight` says that it convolves with
    `layer.weight` as it is, `transposed` that it calls `padding.schemes.transposed.transposed_convolution` instead.

    Raises:
        PaddingError: the class is registered already, or `padding` is missing, which a transposed convolution alone
            goes without.

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
    """The registered convolution of modules of exactly this class, or None.

    A class that neither is registered nor changes `forward` or `_conv_forward` convolves as its nearest registered
    ancestor does; parametrised layers are such classes.
    """
    for ancestor in kind.__mro__:
        if ancestor in _CONVOLUTIONS:
            return _CONVOLUTIONS[ancestor] if _convolves_alike(kind, ancestor) else None
    return None


def _convolves_alike(kind: type[nn.Module], ancestor: type[nn.Module]) -> bool:
    names = ("forward", "_conv_forward", "__call__")
    return all(getattr(kind, name, None) is getattr(ancestor, name, None) for name in names)


add_scheme(Scheme("zero", None, survives_fusing=True))
