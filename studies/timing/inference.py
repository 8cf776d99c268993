"""Times first and later iterations of a network under padding schemes, as in Table 1 (section 3 of the paper).

The first iteration is the first forward pass of a network that was just built and converted: without cached ratios of
earlier ones, and with the compilation (docs/timing.md says why). It excludes what a process does once, such as loading
kernels: each scheme has run at this size before, on another copy. Later iterations are those of one copy of each
scheme, in turns. Weights are random, since no operation's time depends on them.
"""

import copy
import inspect
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import chain

import torch
from torch import Tensor, nn

from networks.create import create_network
from padding import ConversionReport, PaddingError, convert_padding
from padding.conversion.convert import report_hidden
from padding.reweight import forget_ratios
from studies.runs.collect import REFERENCE
from studies.timing.interleaved import Step, StepError, interleaved
from studies.timing.options import Options
from studies.timing.record import COMPILED, GRAPHS, NULL, Times, TimingCase

CLASSES = 1000
"""Number of logits, as in the paper's networks."""


@dataclass(frozen=True)
class Conditions:
    """Conditions that all cases are measured under; the stopwatch returns the seconds of a step."""

    options: Options
    device: torch.device
    stopwatch: Callable[[Step], float]


class CaseError(RuntimeError):
    """A network cannot be measured at all; the message says why."""


def variant_names(schemes: Sequence[str]) -> list[str]:
    """Zero padding, zero padding again as the null pair, and `schemes`."""
    return [REFERENCE, NULL, *dict.fromkeys(scheme for scheme in schemes if scheme != REFERENCE)]


def make_variant(network: nn.Module, name: str) -> tuple[nn.Module, ConversionReport | None]:
    """Copies `network` under the scheme `name`; the null pair is a copy that is padded with zeros.

    Modules are new, parameters and buffers are those of `network`, so any number of copies takes the memory of one.
    Raises PaddingError if the scheme cannot be applied to the network.
    """
    shared = {id(tensor): tensor for tensor in chain(network.parameters(), network.buffers())}
    variant = copy.deepcopy(network, shared)
    return variant, None if name in (REFERENCE, NULL) else convert_padding(variant, name)


def compile_variant(variant: nn.Module) -> nn.Module:
    """Compiles a copy with one graph per size, and keeps the graphs apart from those of other copies.

    Copies share their code, and torch stores compiled graphs by code: every call would first try the graphs of the
    other copies, and from the ninth copy on none would be compiled. Older versions of torch cannot keep them apart.
    """
    apart = {"isolate_recompiles": True} if "isolate_recompiles" in inspect.signature(torch.compile).parameters else {}
    return torch.compile(variant, dynamic=False, **apart)


def measure_case(
    name: str, size: tuple[int, int], mode: str, conditions: Conditions
) -> tuple[TimingCase, dict[str, str]]:
    """Times timm model `name` on images of `size` (height, width) under zero padding, twice, and the options' schemes.

    Returns the times, and the reason for each scheme that the network cannot run under. Raises CaseError if the network
    cannot be built, does not run at this size, or runs under none of the schemes.
    """
    try:
        # No weights are downloaded: times do not depend on their values.
        network = create_network(name, CLASSES).eval().to(conditions.device)
        images = torch.randn(conditions.options.batch_size, 3, *size, generator=torch.Generator().manual_seed(0))
        images = images.to(conditions.device)
    except Exception as error:
        raise CaseError(_reason(error)) from error
    failed: dict[str, str] = {}
    names, report = variant_names(conditions.options.schemes), None
    for each in [*names]:
        try:
            report = _try_out(network, images, each) or report
        except Exception as error:
            _drop(StepError(each, error), names, failed)
    # All schemes are timed again if one fails, since rounds must be complete to be compared.
    while names != [REFERENCE, NULL]:
        try:
            first, later = _Case(network, images, mode, conditions, names).measure()
        except StepError as error:
            _drop(error, names, failed)
        else:
            return TimingCase(name, *size, mode, len(report.converted), report.unsupported, first, later), failed
    raise CaseError("; ".join(sentences(failed)))


def sentences(failed: Mapping[str, str]) -> list[str]:
    """A sentence for each reason, with the schemes that failed for it."""
    schemes: dict[str, list[str]] = {}
    for scheme, reason in failed.items():
        schemes.setdefault(reason, []).append(scheme)
    return [f"{', '.join(names)}: {reason}" for reason, names in schemes.items()]


def forward_step(network: nn.Module, images: Tensor) -> Step:
    """Returns a step that runs one inference of `network` on `images`."""

    def forward() -> None:
        with torch.inference_mode():
            network(images)

    return forward


def _try_out(network: nn.Module, images: Tensor, name: str) -> ConversionReport | None:
    """Runs a variant once; returns what was converted. Raises whatever keeps it from running."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "no padded convolution")  # an error below
        variant, report = make_variant(network, name)
    if report is not None and not report.converted:
        raise PaddingError("no convolution of the network is padded, so there is nothing to compare")
    forward_step(variant, images)()
    if report is not None:
        report_hidden(variant, report, images)
    return report


@dataclass
class _Case:
    """A network at one size in one mode, ready to be measured under `names`."""

    network: nn.Module
    images: Tensor
    mode: str
    conditions: Conditions
    names: list[str]
    steps: dict[str, Step] = field(default_factory=dict)

    def fresh(self, name: str) -> Step:
        """Builds a new copy; returns the step of its first iteration, and stores that of later ones in `steps`."""
        variant, _ = make_variant(self.network, name)
        # Ratios that another copy left in the process-wide cache would make this a later iteration.
        if self.mode != GRAPHS:  # graphs of other copies still read their ratios
            forget_ratios()
        if self.mode == COMPILED:
            variant = compile_variant(variant)
        self.steps[name] = step = forward_step(variant, self.images)
        if self.mode == GRAPHS:
            graph = torch.cuda.CUDAGraph()
            self.steps[name] = graph.replay
            return partial(_capture, step, graph)
        return _with_empty_caches(step) if self.mode == COMPILED else step

    def measure(self) -> tuple[Times, Times]:
        """Measures the seconds of first and later iterations. Raises StepError, naming a scheme that fails."""
        under, stopwatch = self.conditions.options, self.conditions.stopwatch
        # One iteration that does not count: a process compiles its first network, and uses memory, unlike later ones.
        interleaved([REFERENCE], self.fresh, 1, stopwatch)
        first: Times = {name: [] for name in self.names}
        for number in range(under.first_rounds):
            if self.mode == COMPILED:
                # Otherwise dynamo reuses the code of an earlier copy, and the first iteration does not compile.
                torch.compiler.reset()
            for name, (seconds,) in interleaved(self.names, self.fresh, 1, stopwatch, seed=number).items():
                first[name].append(seconds)
        return first, interleaved(self.names, self.steps.__getitem__, under.rounds, stopwatch, warm_up=under.warm_up)


def _drop(error: StepError, names: list[str], failed: dict[str, str]) -> None:
    """Drops a scheme that failed. Raises CaseError for zero padding, which all others are compared with."""
    if error.name in (REFERENCE, NULL):
        raise CaseError(_reason(error.cause)) from error.cause
    failed[error.name] = _reason(error.cause)
    names.remove(error.name)


def _reason(error: Exception) -> str:
    """The first line of the message: those of torch and the compiler go on for pages."""
    return str(error).strip().partition("\n")[0] or type(error).__name__


def _capture(step: Step, graph: torch.cuda.CUDAGraph) -> None:
    # The set-up that libraries do in a first call cannot be captured; torch requires that call on another stream.
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        step()
    torch.cuda.current_stream().wait_stream(side)
    with torch.cuda.graph(graph):
        step()
    graph.replay()


def _with_empty_caches(step: Step) -> Step:
    # Otherwise the compiler would reuse from disk what it made for an earlier copy.
    from torch._inductor.utils import fresh_inductor_cache

    def compiling() -> None:
        with fresh_inductor_cache():
            step()

    return compiling
