"""Converts a model to a padding scheme, in place."""

import contextlib
import warnings
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import torch
from torch import nn

from padding.conversion.choice import Choice, choose
from padding.conversion.dry_run import find_followers, find_hidden_pads
from padding.conversion.layers import (
    DEFERRED,
    LEARNED,
    PaddedLayer,
    built_mode,
    class_under,
    original_class,
    start_of,
)
from padding.conversion.optimisers import warn_of_optimisers
from padding.conversion.plan import Plan, first_report, make_plan
from padding.conversion.report import ConversionReport
from padding.errors import PaddingError
from padding.tracing import is_compiled

_ATTRIBUTES = ("layer_name", "outer_pads", "built_padding_mode", "padding_mode", "_recent_call")
"""Attributes that a conversion, or a call of a converted layer, sets on a layer besides its class."""


class _Before(NamedTuple):
    """The parts of a module that a conversion may change."""

    kind: Any
    attributes: dict[str, Any]
    learned: nn.Parameter | None


def _snapshot(model: nn.Module) -> dict[nn.Module, _Before]:
    found = {}
    for module in model.modules():
        attributes = {name: module.__dict__[name] for name in _ATTRIBUTES if name in module.__dict__}
        found[module] = _Before(type(module), attributes, module._parameters.get(LEARNED))
    return found


def _put_back(before: dict[nn.Module, _Before]) -> None:
    for module, (kind, attributes, learned) in before.items():
        module.__class__ = kind
        for name in _ATTRIBUTES:
            module.__dict__.pop(name, None)
        module.__dict__.update(attributes)
        module._parameters.pop(LEARNED, None)
        if learned is not None:
            module._parameters[LEARNED] = learned


def convert_padding(
    model: nn.Module, scheme: str | Mapping[str, str], *, strict: bool = False, example: Any = None, pools: bool = False
) -> ConversionReport:
    """Makes every zero-padded convolution of `model` pad by `scheme`, in place.

    Only classes change: the state dict, the parameters and their identity stay. Exceptions are 'constant', 'explicit'
    and 'pad_channel', which give layers a parameter, `padding_learned`, that the next conversion removes. Converts from
    any scheme to any other directly; 'zero' restores the original classes. Layers built with a padding_mode count as
    layers of that scheme, and converting to it restores them. Convolutions without padding stay. Under 'partial',
    transposed convolutions are re-weighted near their border, too. Convert before wrapping (DistributedDataParallel,
    FSDP), compiling, fusing and copying: an existing EMA copy is not converted.

    >>> model = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1))
    >>> convert_padding(model, "partial").converted
    ['0']

    Args:
        model: any module, also a single convolution.
        scheme: one of `available_schemes()`, one per axis as in 'zero,circular', or patterns of layers' names with a
            scheme each, as in {"stem*": "zero", "*": "partial"}: the first pattern that matches a name decides, and a
            layer that none matches stays as it was built.
        strict: raise an error, instead of reporting, if something pads with zeros and cannot be converted.
        example: a batch to run the model on (a tuple holds positional arguments, a dict keyword arguments). The run
            finds zero padding inside forwards, and padding modules anywhere that can be converted together with the one
            convolution that reads them; see `find_hidden_pads`. `strict` needs it for modules of other packages.
        pools: make max, average and blur pools circular, too, under 'circular', so that the network commutes with
            rolling; without it, pools stay as they are.

    Returns:
        The names of converted, left and unsupported layers, with reasons.

    Raises:
        PaddingError: the scheme is unknown, or names another number of axes than a layer has; a pattern matches no
            padded layer; a padded convolution of an unknown class has its own forward; the model is wrapped, compiled
            or scripted; parallel branches were fused into one convolution and the scheme is not exact then; layers were
            built to return masks and the scheme takes none; `pools` is set without 'circular'; the model cannot run on
            the example; under `strict`, zero padding would remain. The model is unchanged.
    """
    choice = choose(scheme)
    if not isinstance(model, nn.Module):
        raise PaddingError(f"the model is a {type(model).__name__}; give a torch.nn.Module, as timm.create_model makes")
    _refuse_wrapped(model)
    if pools and not any(target.pools for _, target in choice.rules):
        raise PaddingError(f"pools=True is for 'circular'; '{choice.name}' leaves pools as they are")
    before = _snapshot(model)
    try:
        followers, shapes = _followers(model, choice, example)
        plan = make_plan(model, choice, pools, followers)
        report = first_report(plan, unseen=choice.changes and example is None)
        _restore(plan)
        _apply(plan, before)
        learned = [module._parameters.get(LEARNED) for module in before]
        report.learned = sum(each.numel() for each in learned if each is not None)
        if choice.changes and example is not None:
            report_hidden(model, report, example, shapes)
        if choice.changes and strict:
            _refuse_unknown(report)
    except BaseException:  # Ctrl-C during the run of an example, too
        _put_back(before)
        raise
    if not report.converted:
        warnings.warn(f"no padded convolution that '{choice.name}' converts, so it changes nothing", stacklevel=2)
    changed = [module for module, own in zip(before, learned, strict=True) if before[module].learned is not own]
    if changed:
        warn_of_optimisers(changed, stacklevel=2)
    return report


@contextlib.contextmanager
def padded(model: nn.Module, scheme: str | Mapping[str, str], **options: Any) -> Iterator[ConversionReport]:
    """Converts the model for a `with` block, and restores it afterwards, also after an exception.

    Takes the arguments and raises the errors of `convert_padding`. Parameters of the model's earlier scheme come back.

    >>> model = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1))
    >>> with padded(model, "circular"):
    ...     print(type(model[0]).__name__)
    CircularConv2d
    >>> type(model[0]).__name__
    'Conv2d'
    """
    before = _snapshot(model)
    report = convert_padding(model, scheme, **options)
    try:
        yield report
    finally:
        _put_back(before)


def _followers(
    model: nn.Module, choice: Choice, example: Any
) -> tuple[dict[nn.Module, nn.Module], list[tuple[int, ...]]]:
    """Runs the unconverted model: the convolution behind each zero padding module, and the shapes of the outputs."""
    if (
        example is None
        or not choice.changes
        or not any(issubclass(original_class(module), tuple(DEFERRED)) for module in model.modules())
    ):
        return {}, []
    # After an earlier conversion the padding modules add no zeros that the run could see.
    _restore(Plan(choice, {module: name for name, module in model.named_modules()}))
    return find_followers(model, example)


def _refuse_unknown(report: ConversionReport) -> None:
    """Raises PaddingError if a layer still pads with zeros, or, without an example, if a module might."""
    if report.unsupported:
        raise PaddingError(f"some layers cannot be padded by '{report.scheme}':\n{report}")
    for name in report.unseen[:1]:
        raise PaddingError(
            f"layer '{name}' ({report.kinds[name]}) may pad inside its forward, which only a run can show: say "
            "convert_padding(..., strict=True, example=INPUT)"
        )


def report_hidden(
    model: nn.Module, report: ConversionReport, example: Any, shapes: list[tuple[int, ...]] | None = None
) -> None:
    """Runs a converted model on an example and adds the zero padding found to its report; see `find_hidden_pads`."""
    if not choose(report.scheme).changes:
        return
    report.unseen = []
    names = {module: name for name, module in model.named_modules()}
    reported = {*report.left, *report.unsupported}
    for module, pads in find_hidden_pads(model, example, shapes).items():
        name = names[module]
        if report.schemes.get(name) == "zero":
            continue  # zeros were asked for
        for weight in {id(pad.weight): pad.weight for pad in pads if pad.weight is not None}.values():
            _withdraw(model, report, weight, name)
        if name not in reported:
            outcome = report.unsupported if any(pad.matters for pad in pads) else report.left
            outcome.append(name)
            report.reasons[name] = "inside its forward: " + "; ".join(dict.fromkeys(map(str, pads)))
            report.kinds[name] = original_class(module).__name__


def _withdraw(model: nn.Module, report: ConversionReport, weight: torch.Tensor, owner: str) -> None:
    """Reports converted layers with this weight as unsupported: another module convolves with it, not they."""
    for name in [name for name in report.converted if getattr(model.get_submodule(name), "weight", None) is weight]:
        report.converted.remove(name)
        report.unsupported.append(name)
        user = f"'{owner}'" if owner else "the model itself"
        report.reasons[name] = f"{user} convolves with its weight, past the layer's own forward"


def _restore(plan: Plan) -> None:
    """Makes every layer what it was when it was built."""
    converted = set(plan.converted.values())
    for module in plan.names:
        target = plan.target(module)
        same = target is not None and isinstance(module, PaddedLayer) and module.padding_scheme == target.name
        # A `PartialConv` that the user built by hand, unpadded, to use masks: leave it.
        if module not in converted and same and module.outer_pads is None:
            continue
        original = original_class(module)
        if isinstance(module, PaddedLayer):
            module.__dict__.pop("layer_name", None)
            module.__dict__.pop("outer_pads", None)
            module.__dict__.pop("_recent_call", None)
        if mode := module.__dict__.pop("built_padding_mode", None):
            module.padding_mode = mode
        module._parameters.pop(LEARNED, None)
        if type(module) is not original:
            module.__class__ = original


def _apply(plan: Plan, before: Mapping[nn.Module, _Before]) -> None:
    pads = {pair.convolution: pair.pads for pair in plan.pairs}
    padders = {pair.padder for pair in plan.pairs}
    module: Any
    for name, module in plan.converted.items():
        target = plan.target(module)
        if target is None or target.name == built_mode(module):
            continue  # stays as it was built
        if built_mode(module) != "zeros":
            module.built_padding_mode, module.padding_mode = module.padding_mode, "zeros"
        if target.convolve is None:
            continue
        if module in padders:
            module.__class__ = DEFERRED[type(module)]
        elif module in plan.pools:
            module.__class__ = target.pools[type(module)]
        else:
            module.__class__ = class_under(module, target.name)
            module.layer_name = name
            if module in pads:
                module.outer_pads = pads[module]
            if target.start is not None:
                kind, _, learned = before[module]
                # A model that is under the scheme already keeps what its parameter has learned.
                kept = learned is not None and kind.padding_scheme == target.name
                module.register_parameter(LEARNED, learned if kept else nn.Parameter(start_of(module)))


def _refuse_wrapped(model: nn.Module) -> None:
    for name, module in model.named_modules():
        wrapper = next(_wrappers(module), None)
        if wrapper:
            where = f"layer '{name}'" if name else "the model"
            raise PaddingError(f"{where} is {wrapper}; convert the inner module first, then wrap or compile it")


def _wrappers(module: nn.Module) -> Iterator[str]:
    """Yields what hides the module's layers or has recorded their forward, in words, such as "a ScriptModule"."""
    names = {kind.__name__ for kind in type(module).__mro__ if kind.__module__.startswith("torch.")}
    for wrapper in ("DistributedDataParallel", "DataParallel", "FullyShardedDataParallel", "FSDPModule"):
        if wrapper in names:
            yield f"wrapped by {wrapper}"
    if isinstance(module, torch.jit.ScriptModule):
        yield "a ScriptModule"
    if is_compiled(module):
        yield "compiled by torch.compile"
