"""Makes the class of a convolution under a scheme, such as PartialConv2d.

A conversion changes a layer's class; its parameters and state dict stay, but schemes with parameters add one to it.
"""

import functools
import re
from collections.abc import Callable, Sequence
from inspect import signature
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn
from torch.nn.utils import parametrize
from torch.overrides import has_torch_function_variadic

from padding.errors import PaddingError, UnfollowableError
from padding.geometry import SAME_DYNAMIC, AnyPads, Pads, SettledGeometry, resolve, static_pads
from padding.registry import Convolution, find_convolution, find_scheme, register_convolution
from padding.schemes.circular_pools import CIRCULAR
from padding.schemes.convolve import convolve_by, padded_convolution
from padding.schemes.holes import masked_convolution
from padding.schemes.transposed import transposed_convolution
from padding.tracing import is_traced

Output = Tensor | tuple[Tensor, Tensor]
"""What a layer returns: the output; with a mask, the output and its mask."""

Layer = Any
"""A PaddedLayer that is also its base, which Python's types cannot express."""

LEARNED = "padding_learned"
"""Name of the parameter that a scheme with parameters gives to a layer."""


if TYPE_CHECKING:
    from torch.nn.modules.conv import _ConvNd as _Base  # the attributes that most bases have
else:
    _Base = object


class PaddedLayer(_Base):
    """Base of the generated classes. Each is also a subclass of the class it replaces, so that isinstance works."""

    padding_base: type[nn.Module]
    padding_scheme: str
    padding_site: Convolution
    layer_name: str | None = None
    """The layer's name in the converted model, for messages; an attribute, so that copies and pickles keep it."""
    outer_pads: Pads | None = None
    """The pads of a zero padding module in front of the layer that was converted together with it."""
    built_padding_mode: str
    """The padding_mode that the layer was built with, if the scheme replaced one other than zeros."""
    return_mask: bool | None = None
    """Whether a call also returns the output's mask; None returns it if a mask was given."""
    multi_channel: bool = False
    """Whether a returned mask always has C_out channels."""

    def convolve(
        self,
        input: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        *,
        stride: tuple[int, ...] | None = None,
        dilation: tuple[int, ...] | None = None,
        groups: int | None = None,
        mask: Tensor | None = None,
    ) -> Tensor | tuple[Tensor, Tensor]:
        """Convolves under this layer's scheme; omitted arguments are taken from the layer.

        With a mask of the input, returns the output and its mask; see `masked_convolution`.
        """
        stride = self.stride if stride is None else stride
        dilation = self.dilation if dilation is None else dilation
        groups = self.groups if groups is None else groups
        try:
            if mask is None and not self.return_mask:
                settled = self._settled(input, weight, stride, dilation, groups)
                if settled is not None:
                    if settled.again is not None:
                        return settled.again(input, weight, bias)
                    return convolve_by(self.padding_scheme, input, weight, bias, settled, *self._own())
                geometry = (stride, effective_pads(self), dilation, groups)
                return padded_convolution(input, weight, bias, *geometry, self.padding_scheme, *self._own())
            geometry = (stride, effective_pads(self), dilation, groups)
            returned = (self.return_mask, self.multi_channel)
            return masked_convolution(input, mask, weight, bias, *geometry, self.padding_scheme, *returned)
        except UnfollowableError:
            raise  # names the layer already
        except PaddingError as error:
            raise PaddingError(f"{describe(self)}: {error}") from None

    def _settled(
        self, input: Tensor, weight: Tensor, stride: tuple[int, ...], dilation: tuple[int, ...], groups: int
    ) -> SettledGeometry | None:
        """The geometry of an eager call, kept from the last call if sizes and settings are the same; else None.

        On small maps Python's work costs as much as the convolution; see docs/padding.md.
        """
        if has_torch_function_variadic(input, weight) or is_traced(input, weight):
            return None
        attributes = self.__dict__
        # own_padding computes from `padding` and from settings in the key, so `padding` itself serves as the key.
        pads = attributes["padding"] if self.padding_site.padding is own_padding else self.padding_site.padding(self)
        sizes = (input.shape, weight.shape, weight.dtype, weight.device)
        key = (sizes, stride, dilation, groups, pads, attributes.get("outer_pads"))
        recent = attributes.get("_recent_call")
        if recent is not None and recent[0] == key:
            return recent[1]
        if input.dim() != weight.dim():
            return None
        if any(isinstance(setting, list) for setting in key):
            return None  # a list may change in place
        geometry = resolve(effective_pads(self), input.shape[2:], weight.shape[2:], stride, dilation, groups)
        geometry = SettledGeometry(*geometry)
        attributes["_recent_call"] = key, geometry
        return geometry

    def _own(self) -> tuple[bool, Tensor | None, Pads | None]:
        """The arguments `training`, `learned` and `widest` of `padded_convolution`."""
        learned = self._parameters.get(LEARNED)
        if learned is None:
            learned = self.__dict__.get(LEARNED)  # as in a pruned layer or a replica of DataParallel
        return self.training, learned, None if learned is None else widest_pads(self)

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *args: Any) -> None:
        """Loads weights; if they lack the scheme's parameter, it gets its initial value for these weights."""
        if LEARNED in self._parameters and prefix + LEARNED not in state_dict:
            state_dict[prefix + LEARNED] = start_of(self, state_dict.get(f"{prefix}weight"))
        super()._load_from_state_dict(state_dict, prefix, *args)

    def _conv_forward(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """Convolves by the scheme; some modules call this method of a child with a weight of their own."""
        return self.convolve(input, weight, bias)  # type: ignore[return-value]  # a pair under return_mask alone

    def __reduce_ex__(self, protocol: Any) -> tuple:
        """Pickles the base class and the scheme's name, so that the generated class need not be importable."""
        reduced: Any = super().__reduce_ex__(protocol)
        _, _, state, *others = reduced
        state = {name: value for name, value in state.items() if name != "_recent_call"}
        return _blank_layer, (self.padding_base, self.padding_scheme), state, *others


_ABOUT_MASKS = """

Called with a mask of what is valid in the input, (N or 1, 1 or C_in, *sizes), it returns the output and its mask (Eq. 1
to 3 of Liu et al. 2018). `return_mask` and `multi_channel` are keywords of the authors' layer (NVIDIA/partialconv):
whether the mask is returned (None, the default: if one was given), and whether it always has C_out channels.
"""

_EXAMPLE = """

>>> import torch
>>> tuple({0}(2, 4, 3, padding=1)(torch.ones({1})).shape) == {2}
True
"""


_AXES: dict[type[nn.Module], int] = {nn.Conv1d: 1, nn.Conv2d: 2, nn.Conv3d: 3}


def widest_pads(layer: PaddedLayer) -> Pads:
    """The largest pads that the layer may have; the pads of TensorFlow's SAME depend on the input."""
    pads = effective_pads(layer)
    return static_pads("same", layer.kernel_size, layer.dilation) if pads == SAME_DYNAMIC else pads


def start_of(layer: PaddedLayer, weight: Tensor | None = None) -> Tensor:
    """The initial value of the scheme's parameter, for the layer's weights or for `weight`."""
    weight = (layer.weight if weight is None else weight).detach()
    start = find_scheme(layer.padding_scheme).start
    assert start is not None  # callers check that the scheme has a parameter
    return start(weight, layer.in_channels, widest_pads(layer))


def _blank_layer(base: type, scheme: str) -> nn.Module:
    kind: Any = layer_class(base, scheme)
    return kind.__new__(kind)


def describe(layer: nn.Module) -> str:
    """The layer's name in error messages."""
    name = getattr(layer, "layer_name", None)
    return f"layer '{name}' ({type(layer).__name__})" if name else f"layer {layer!r}"


def effective_pads(layer: PaddedLayer) -> AnyPads:
    """The layer's pads, plus those of a zero padding module that was converted with it."""
    own = layer.padding_site.padding(layer)
    if layer.outer_pads is None:
        return own
    assert own != SAME_DYNAMIC  # `find_pairs` pairs no such layer
    return tuple((b + ob, a + oa) for (b, a), (ob, oa) in zip(own, layer.outer_pads, strict=True))


# Cached, so that layers of one kind share one class, also after unpickling.
@functools.cache
def layer_class(base: type[nn.Module], scheme: str) -> type[nn.Module]:
    """Makes the class of `base`'s layers under `scheme`; under 'zero' it is `base`. It takes the arguments of `base`.

    >>> layer_class(nn.Conv2d, "reflect")(3, 8, 3, padding=1)
    ReflectConv2d(3, 8, kernel_size=(3, 3), stride=(1, 1), padding=(1, 1))

    Raises:
        PaddingError: the scheme is unknown; the class is no registered convolution; or it is a transposed convolution,
            which the scheme does not change.
    """
    if find_scheme(scheme).convolve is None:
        return base
    site = find_convolution(base)
    if site is None:
        raise PaddingError(f"{base.__qualname__} is no registered convolution; register it with register_convolution")
    if site.transposed and find_scheme(scheme).transposed is None:
        raise PaddingError(f"'{scheme}' says nothing about transposed convolutions; leave {base.__name__} as it is")
    takes_masks = find_scheme(scheme).with_holes is not None and "mask_in" in signature(site.forward).parameters
    masks = _ABOUT_MASKS if takes_masks else ""
    name = "".join(word.capitalize() for word in re.split(r"[\W_]+", scheme)) + base.__name__
    axes = _AXES.get(base)
    example = _EXAMPLE.format(name, (2,) + (6,) * axes, (4,) + (6,) * axes) if axes else ""
    namespace = {
        "__module__": "padding",
        "__qualname__": name,
        "__doc__": f"{base.__name__} whose border is padded by the scheme '{scheme}'; same arguments."
        + masks
        + example,
        "__init__": _initialiser(base, takes_masks),
        "forward": site.forward,
        "padding_base": base,
        "padding_scheme": scheme,
        "padding_site": site,
    }
    if find_scheme(scheme).start is not None:
        namespace["reset_parameters"] = _reset_parameters
    return type(name, (PaddedLayer, base), namespace)


def _reset_parameters(self: Layer) -> None:
    self.padding_base.reset_parameters(self)
    if LEARNED in self._parameters:  # not yet in the base's `__init__`
        self._parameters[LEARNED].data = start_of(self)


def class_under(layer: nn.Module, scheme: str) -> type[nn.Module]:
    """`layer_class` of a layer's own class.

    Of a parametrised one it is derived from the scheme's class, since `remove_parametrizations` takes properties from a
    layer's class and then puts its base in place. Made anew for each layer, as torch's are.
    """
    kind: Any = type(layer)
    if not parametrize.is_parametrized(layer):
        return layer_class(kind, scheme)
    base = layer_class(kind.__base__, scheme)
    return type(f"Parametrized{base.__name__}", (base,), {**vars(kind), "padding_base": kind})


def _initialiser(base: type[nn.Module], takes_masks: bool) -> Callable[..., None]:
    """Makes the `__init__`: the base's, with the keywords of the authors' layer if the layer takes masks."""

    @functools.wraps(base.__init__)
    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:  # noqa: N807
        options = {
            name: kwargs.pop(name) for name in ("return_mask", "multi_channel") if takes_masks and name in kwargs
        }
        base.__init__(self, *args, **kwargs)
        self.__dict__.update(options)
        if find_scheme(self.padding_scheme).start is not None:
            self.register_parameter(LEARNED, nn.Parameter(start_of(self)))
        mode = getattr(self, "padding_mode", "zeros")
        if mode != "zeros":
            raise PaddingError(f"padding_mode={mode!r} contradicts {type(self).__name__}; leave it out")

    return __init__


def _hand_on(self: nn.Module, input: Tensor) -> Tensor:
    """The forward of a zero padding module whose padding was moved into the convolution that follows it."""
    return input


DEFERRED: dict[type[nn.Module], type[nn.Module]] = {
    base: type(f"Deferred{base.__name__}", (base,), {"forward": _hand_on, "__module__": __name__})
    for base in (
        *(nn.ZeroPad1d, nn.ZeroPad2d, nn.ZeroPad3d),
        *(nn.ConstantPad1d, nn.ConstantPad2d, nn.ConstantPad3d),  # with value 0
    )
}
globals().update({kind.__name__: kind for kind in DEFERRED.values()})  # pickle looks classes up in their module


def original_class(module: nn.Module) -> type[nn.Module]:
    """The class that a module had before it was converted.

    Raises:
        PaddingError: the class was replaced since the conversion, for example by a parametrisation.
    """
    kind: Any = type(module)
    # Looked up in the class itself: a class derived later, as by parametrisations, only inherits the attribute.
    if "padding_base" in kind.__dict__:
        return kind.padding_base
    if issubclass(kind, PaddedLayer):
        raise PaddingError(
            f"{describe(module)} was changed from {kind.__mro__[1].__name__} to {kind.__name__} after it was converted "
            "(by a parametrisation?); undo that, convert, and do it again"
        )
    return next((base for base, other in (DEFERRED | CIRCULAR).items() if kind is other), kind)


def built_mode(module: nn.Module) -> str:
    """The padding_mode that a layer was built with."""
    return getattr(module, "built_padding_mode", getattr(module, "padding_mode", "zeros"))


def pads_anything(pads: AnyPads, kernel_size: tuple[int, ...]) -> bool:
    """Whether a layer with these pads can pad at all; TensorFlow's SAME can unless every kernel size is 1."""
    if pads == SAME_DYNAMIC:
        return max(kernel_size) > 1
    return any(amount != 0 for pair in pads for amount in pair)


def own_padding(layer: Any) -> AnyPads:
    """The pads of a layer's `padding`, read as torch does."""
    return static_pads(layer.padding, layer.kernel_size, layer.dilation)


@register_convolution(nn.Conv1d, padding=own_padding, own_weight=True)
@register_convolution(nn.Conv2d, padding=own_padding, own_weight=True)
@register_convolution(nn.Conv3d, padding=own_padding, own_weight=True)
def plain(layer: Layer, input: Tensor, mask_in: Tensor | None = None) -> Output:
    """The forward of torch's convolutions under every scheme but zero."""
    return layer.convolve(input, layer.weight, layer.bias, mask=mask_in)


@register_convolution(nn.ConvTranspose1d, transposed=True)
@register_convolution(nn.ConvTranspose2d, transposed=True)
@register_convolution(nn.ConvTranspose3d, transposed=True)
def _transposed(layer: Layer, input: Tensor, output_size: Sequence[int] | None = None) -> Tensor:
    axes = len(layer.kernel_size)
    output_padding = layer._output_padding(
        input, output_size, layer.stride, layer.padding, layer.kernel_size, axes, layer.dilation
    )
    geometry = (layer.stride, layer.padding, output_padding, layer.dilation, layer.groups)
    return transposed_convolution(input, layer.weight, layer.bias, *geometry, layer.padding_scheme)
