"""Converts a model to a padding scheme, in place."""

import contextlib
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn
from torch.nn.modules.conv import _ConvNd

from padding.conversion.dry_run import HiddenPad, find_followers, find_hidden_pads
from padding.conversion.fused import class_path, fused_convolutions
from padding.conversion.layers import DEFERRED, PaddedLayer, layer_class, original_class
from padding.conversion.pairs import Pair, find_pairs
from padding.conversion.report import ConversionReport
from padding.conversion.sites import CONVERT, LEAVE, UNSUPPORTED, Decision, judge
from padding.errors import PaddingError
from padding.registry import Scheme, find_scheme
from padding.tracing import is_compiled


@dataclass
class _Plan:
    """Every change, decided before the first one is made, so that an error leaves the model as it was."""

    converted: dict[str, nn.Module] = field(default_factory=dict)
    verdicts: dict[str, Decision] = field(default_factory=dict)
    pairs: list[Pair] = field(default_factory=list)
    pools: set[nn.Module] = field(default_factory=set)
    names: dict[nn.Module, str] = field(default_factory=dict)


def convert_padding(
    model: nn.Module, scheme: str, *, strict: bool = False, example: Any = None, pools: bool = False
) -> ConversionReport:
    """Makes every zero-padded convolution of `model` pad by `scheme`, in place.

    Only classes change: the state dict, the parameters and their identity stay. Converts from any scheme to any other
    directly; 'zero' restores the original classes. Leaves convolutions without padding alone. Under 'partial',
    transposed convolutions are re-weighted near their border too. Convert before wrapping (DistributedDataParallel,
    FSDP), compiling, fusing and copying: an EMA copy does not follow.

    >>> model = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1))
    >>> convert_padding(model, "partial").converted
    ['0']

    Args:
        model: any module, a convolution itself included.
        scheme: one of `available_schemes()`: 'zero', 'partial', 'reflect', 'replicate', 'circular' and what is
            registered besides.
        strict: raise where something pads with zeros and cannot be converted, instead of reporting it.
        example: a batch to run the model on, so that zero padding inside a forward is reported, too, and a padding
            module and its one reader are converted wherever they stand (a tuple holds positional arguments, a dict
            keywords): see `find_hidden_pads`. `strict` needs one for a model with modules of other packages.
        pools: under 'circular', let the windows of max, average and blur pools go around, too, so that the network
            commutes with rolling; elsewhere pools stay as they are.

    Returns:
        The names of converted, left and unsupported layers, with reasons.

    Raises:
        PaddingError: an unknown scheme; a padded convolution of an unknown class with its own forward, or with a
            padding_mode; a wrapped, compiled or scripted model; branches fused into one convolution, under a scheme
            that is not exact then; layers built to return masks, under a scheme without masks; an example that the
            model cannot run on. The model is unchanged.
    """
    target = find_scheme(scheme)
    _refuse_wrapped(model)
    if pools and not target.pools:
        raise PaddingError(f"pools=True is for 'circular'; '{scheme}' leaves pools as they are")
    with _undone_if_refused(model):
        followers, shapes = _followers(model, target, example)
        plan = _make_plan(model, target, pools, followers)
        if not target.survives_fusing:
            _refuse_fused(model, plan, target)
        if target.with_holes is None:
            _refuse_masks(plan, target)
        report = _report(plan, target)
        _restore(model, plan, target)
        if target.convolve is not None:
            if strict:
                _refuse_unsupported(report)
            if strict and example is None:
                _refuse_unread(plan)
            _apply(plan, target)
            if example is not None:
                report_hidden(model, report, example, shapes)
            if strict:
                _refuse_unsupported(report)
    if not report.converted:
        warnings.warn(f"no padded convolution in {type(model).__name__}: '{scheme}' changes nothing", stacklevel=2)
    return report


@contextlib.contextmanager
def _undone_if_refused(model: nn.Module) -> Iterator[None]:
    """Gives every module its class and attributes back where the conversion is refused."""
    before = {module: (module.__class__, dict(module.__dict__)) for module in model.modules()}
    try:
        yield
    except BaseException:  # Ctrl-C during the run of an example, too
        for module, (kind, attributes) in before.items():
            module.__class__ = kind
            module.__dict__.clear()
            module.__dict__.update(attributes)
        raise


def _followers(
    model: nn.Module, target: Scheme, example: Any
) -> tuple[dict[nn.Module, nn.Module], list[tuple[int, ...]]]:
    """The convolutions right behind zero padding modules, and output shapes, from a run without any scheme."""
    if (
        example is None
        or target.convolve is None
        or not any(issubclass(original_class(module), tuple(DEFERRED)) for module in model.modules())
    ):
        return {}, []
    _restore(model, _Plan(), target)
    return find_followers(model, example)


def _refuse_unsupported(report: ConversionReport) -> None:
    if report.unsupported:
        raise PaddingError(f"some layers cannot be padded by '{report.scheme}':\n{report}")


def _refuse_unread(plan: _Plan) -> None:
    """A module's children do not show what its forward does; torch's and timm's forwards were read (timm_blocks.py)."""
    for module, name in plan.names.items():
        kind = original_class(module)
        if not kind.__module__.startswith(("torch.nn.", "timm.")):
            raise PaddingError(
                f"layer '{name}' ({class_path(kind)}) may pad inside its forward, which only a run can show: say "
                "convert_padding(..., strict=True, example=INPUT)"
            )


def report_hidden(
    model: nn.Module, report: ConversionReport, example: Any, shapes: list[tuple[int, ...]] | None = None
) -> None:
    """Adds to the report of a converted model what a run on an example shows; see `find_hidden_pads`."""
    if find_scheme(report.scheme).convolve is None:
        return
    names = {module: name for name, module in model.named_modules()}
    reported = {*report.left, *report.unsupported}
    calls: dict[nn.Module, list[HiddenPad]] = {}
    for pad in find_hidden_pads(model, example, shapes):
        calls.setdefault(pad.module, []).append(pad)
    for module, pads in calls.items():
        name = names[module]
        for weight in {id(pad.weight): pad.weight for pad in pads if pad.weight is not None}.values():
            _withdraw(model, report, weight, name)
        if name not in reported:
            outcome = report.unsupported if any(pad.matters for pad in pads) else report.left
            outcome.append(name)
            report.reasons[name] = "inside its forward: " + "; ".join(dict.fromkeys(map(str, pads)))
            report.kinds[name] = original_class(module).__name__


def _withdraw(model: nn.Module, report: ConversionReport, weight: torch.Tensor, owner: str) -> None:
    """A converted layer whose weight another module convolves with is not converted in truth."""
    for name in [name for name in report.converted if getattr(model.get_submodule(name), "weight", None) is weight]:
        report.converted.remove(name)
        report.unsupported.append(name)
        user = f"'{owner}'" if owner else "the model itself"
        report.reasons[name] = f"{user} convolves with its weight, past the layer's own forward"


def _make_plan(model: nn.Module, target: Scheme, pools: bool, followers: dict[nn.Module, nn.Module]) -> _Plan:
    plan = _Plan(names={module: name for name, module in model.named_modules()})
    plan.pairs, verdicts = find_pairs(model, followers)
    paired = {module for pair in plan.pairs for module in (pair.padder, pair.convolution)}
    parents = {child: parent for parent in model.modules() for child in parent.children()}
    axes = max((len(module.kernel_size) for module in model.modules() if isinstance(module, _ConvNd)), default=0)
    for module, name in plan.names.items():
        verdict = verdicts.get(module) or judge(name, module, parents.get(module), target, axes)
        if verdict and verdict.outcome == LEAVE and original_class(module) in target.pools:
            if pools and not getattr(module, "return_indices", False):  # they would count in the padded map
                plan.pools.add(module)
                verdict = Decision(CONVERT)
            else:
                verdict = verdict._replace(reason=f"{verdict.reason}; pools=True lets its windows go around")
        if module in paired or (verdict and verdict.outcome == CONVERT):
            plan.converted[name] = module
        elif verdict:
            plan.verdicts[name] = verdict
    return plan


def _report(plan: _Plan, target: Scheme) -> ConversionReport:
    report = ConversionReport(target.name, converted=list(plan.converted))
    for name, verdict in plan.verdicts.items():
        {LEAVE: report.left, UNSUPPORTED: report.unsupported}[verdict.outcome].append(name)
        report.reasons[name] = verdict.reason
    reported = {*report.converted, *report.left, *report.unsupported}
    report.kinds = {name: original_class(module).__name__ for module, name in plan.names.items() if name in reported}
    return report


def _restore(model: nn.Module, plan: _Plan, target: Scheme) -> None:
    converted = set(plan.converted.values())
    for module in model.modules():
        if module not in converted and _built_without_padding(module, target):
            continue
        original = original_class(module)
        if isinstance(module, PaddedLayer):
            module.__dict__.pop("layer_name", None)
            module.__dict__.pop("outer_pads", None)
            module.__dict__.pop("_recent_call", None)
        if type(module) is not original:
            module.__class__ = original


def _built_without_padding(module: nn.Module, target: Scheme) -> bool:
    """A `PartialConv` that the user built by hand, unpadded, to use masks: leave it."""
    return isinstance(module, PaddedLayer) and module.padding_scheme == target.name and module.outer_pads is None


def _apply(plan: _Plan, target: Scheme) -> None:
    padders = {pair.padder for pair in plan.pairs}
    for name, module in plan.converted.items():
        if module in padders:
            module.__class__ = DEFERRED[type(module)]
        elif module in plan.pools:
            module.__class__ = target.pools[type(module)]
        else:
            module.__class__ = layer_class(type(module), target.name)
            module.layer_name = name
    for pair in plan.pairs:
        pair.convolution.outer_pads = pair.pads


def _refuse_fused(model: nn.Module, plan: _Plan, target: Scheme) -> None:
    converted = set(plan.converted.values())
    for block in model.modules():
        for convolution in fused_convolutions(block):
            if convolution in converted:
                raise PaddingError(
                    f"layer '{plan.names[convolution]}' was fused from parallel branches ({class_path(type(block))}), "
                    f"which is not exact under '{target.name}' padding; convert the model before fusing it and do not "
                    "fuse it afterwards"
                )


def _refuse_masks(plan: _Plan, target: Scheme) -> None:
    for module, name in plan.names.items():
        if isinstance(module, PaddedLayer) and module.return_mask:
            raise PaddingError(
                f"layer '{name}' ({type(module).__name__}) returns a mask with its output (return_mask=True), which "
                f"'{target.name}' padding does not have; build the model without it"
            )


def _refuse_wrapped(model: nn.Module) -> None:
    for name, module in model.named_modules():
        wrapper = next(_wrappers(module), None)
        if wrapper:
            where = f"layer '{name}'" if name else "the model"
            raise PaddingError(f"{where} is {wrapper}; convert the inner module first, then wrap or compile it")


def _wrappers(module: nn.Module) -> Iterator[str]:
    """Names wrappers that hide the module's layers, or that have recorded their forward."""
    names = {kind.__name__ for kind in type(module).__mro__ if kind.__module__.startswith("torch.")}
    for wrapper in ("DistributedDataParallel", "DataParallel", "FullyShardedDataParallel", "FSDPModule"):
        if wrapper in names:
            yield f"wrapped by {wrapper}"
    if isinstance(module, torch.jit.ScriptModule):
        yield "a ScriptModule"
    if is_compiled(module):
        yield "compiled by torch.compile"
