"""Decides what a conversion does to each module, and refuses what it cannot do, before anything is changed."""

from dataclasses import dataclass, field
from pathlib import Path

from torch import nn

from padding.conversion.choice import Choice
from padding.conversion.dry_run import most_axes
from padding.conversion.fused import class_path, fused_convolutions
from padding.conversion.layers import PaddedLayer, original_class
from padding.conversion.pairs import Pair, find_pairs
from padding.conversion.report import ConversionReport
from padding.conversion.sites import CONVERT, LEAVE, UNSUPPORTED, Decision, judge, unfit
from padding.errors import PaddingError
from padding.registry import Scheme, find_scheme
from padding.user_file import digest


@dataclass
class Plan:
    """All changes to a model, decided before the first one is made, so that an error leaves the model unchanged."""

    choice: Choice
    names: dict[nn.Module, str]
    converted: dict[str, nn.Module] = field(default_factory=dict)
    verdicts: dict[str, Decision] = field(default_factory=dict)
    pairs: list[Pair] = field(default_factory=list)
    pools: set[nn.Module] = field(default_factory=set)

    def name_of(self, module: nn.Module) -> str:
        """The name that decides the module's scheme: for a padding module in a pair, the name of the convolution."""
        return self.names[next((pair.convolution for pair in self.pairs if pair.padder is module), module)]

    def target(self, module: nn.Module) -> Scheme | None:
        """The scheme of a module; None if it stays as it was built."""
        return self.choice.scheme_of(self.name_of(module))


def make_plan(model: nn.Module, choice: Choice, pools: bool, followers: dict[nn.Module, nn.Module]) -> Plan:
    """Decides for each module; raises PaddingError if a pattern matches nothing, or a layer cannot have its scheme."""
    plan = Plan(choice, {module: name for name, module in model.named_modules()})
    plan.pairs, verdicts = find_pairs(model, followers)
    paired = {module for pair in plan.pairs for module in (pair.padder, pair.convolution)}
    parents = {child: parent for parent in model.modules() for child in parent.children()}
    axes = most_axes(model)
    first: dict[str, str] = {}
    padding_layers = []
    for module, name in plan.names.items():
        deciding = plan.name_of(module)
        chosen = choice.scheme_of(deciding)
        target = chosen or find_scheme("zero")
        verdict = verdicts.get(module) or judge(name, module, parents.get(module), target, axes)
        if module in paired:
            verdict = unfit(model.get_submodule(deciding), target) or Decision(CONVERT)
        if verdict:
            padding_layers.append(name)
        if verdict and chosen is None:
            verdict = Decision(LEAVE, "named by no pattern")
        alone = verdict and verdict.outcome == CONVERT and target.first_alone
        if alone and first.setdefault(target.name, deciding) != deciding:
            verdict = Decision(LEAVE, f"'{target.name}' is for the first convolution; this one pads with zeros")
        # The convolution's name decided for both, so no half of a pair is converted without the other.
        if module in paired and verdict and verdict.outcome != CONVERT:
            paired.discard(module)
        if verdict and verdict.outcome == LEAVE and original_class(module) in target.pools:
            if pools and not getattr(module, "return_indices", False):  # indices would refer to the padded map
                plan.pools.add(module)
                verdict = Decision(CONVERT)
            else:
                verdict = verdict._replace(reason=f"{verdict.reason}; pools=True lets its windows go around")
        if verdict and verdict.outcome == CONVERT:
            plan.converted[name] = module
        elif verdict:
            plan.verdicts[name] = verdict
    choice.check(padding_layers)
    plan.pairs = [pair for pair in plan.pairs if pair.convolution in paired]
    _refuse_fused(model, plan)
    _refuse_masks(plan)
    _refuse_axes(plan)
    return plan


def first_report(plan: Plan, unseen: bool) -> ConversionReport:
    """The report without a run on an example; `unseen` names the modules whose forward may pad.

    A module's children do not show what its forward does; those of torch and timm were read (timm_blocks.py).

    Raises:
        PaddingError: two files of users' schemes have one name.
    """
    report = ConversionReport(plan.choice.name, converted=list(plan.converted))
    report.files = {str(file): digest(file) for _, scheme in plan.choice.rules for file in scheme.files}
    if len({Path(file).name for file in report.files}) < len(report.files):
        raise PaddingError(
            f"files of one name, {' and '.join(report.files)}: a run keeps a copy of each by its name; rename one"
        )
    if plan.choice.by_name:
        targets = {name: plan.target(module) for name, module in plan.converted.items()}
        report.schemes = {name: target.name for name, target in targets.items() if target}
    for name, verdict in plan.verdicts.items():
        {LEAVE: report.left, UNSUPPORTED: report.unsupported}[verdict.outcome].append(name)
        report.reasons[name] = verdict.reason
    reported = {*report.converted, *report.left, *report.unsupported}
    report.kinds = {name: original_class(module).__name__ for module, name in plan.names.items() if name in reported}
    for module, name in plan.names.items() if unseen else ():
        kind = original_class(module)
        if not kind.__module__.startswith(("torch.nn.", "timm.")):
            report.unseen.append(name)
            report.kinds.setdefault(name, class_path(kind))
    return report


def _refuse_fused(model: nn.Module, plan: Plan) -> None:
    converted = set(plan.converted.values())
    for block in model.modules():
        for convolution in fused_convolutions(block):
            target = plan.choice.scheme_of(plan.names[convolution])
            if convolution in converted and target and not target.survives_fusing:
                raise PaddingError(
                    f"layer '{plan.names[convolution]}' was fused from parallel branches ({class_path(type(block))}), "
                    f"which is not exact under '{target.name}' padding; convert the model before fusing it and do not "
                    "fuse it afterwards"
                )


def _refuse_masks(plan: Plan) -> None:
    for module, name in plan.names.items():
        target = plan.choice.scheme_of(name) or find_scheme("zero")
        if isinstance(module, PaddedLayer) and module.return_mask and target.with_holes is None:
            raise PaddingError(
                f"layer '{name}' ({type(module).__name__}) returns a mask with its output (return_mask=True), which "
                f"'{target.name}' padding does not have; build the model without it"
            )


def _refuse_axes(plan: Plan) -> None:
    for name, module in plan.converted.items():
        target, kernel = plan.target(module), getattr(module, "kernel_size", None)
        # The kernel_size of a pool may be a number.
        if isinstance(kernel, tuple) and target and target.axes not in (None, len(kernel)):
            raise PaddingError(
                f"layer '{name}' ({original_class(module).__name__}) has {len(kernel)} axes, and '{target.name}' names "
                f"{target.axes}; name a scheme for each axis"
            )
