"""First and later iterations of a network under padding schemes: what Table 1 compares (section 3 of the paper).

The first iteration is the first forward pass of a network that was just built and converted, for its scheme and size:
in the paper's implementation it computes the ratios that later iterations read from a cache. Here too nothing is there
yet: the ratios that eager runs keep are forgotten before each one, and a compiled network is compiled within it, from
empty caches. What a process does once, such as loading kernels, is not part of it: each scheme has run at this size
before, on another copy. Networks are built anew for every such measurement, for zero padding as well, whose first
iterations are what those of the others are compared with.

Later iterations are those of one copy of each scheme, in turns. Weights are random: no operation depends on them.
"""

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from networks.create import create_network
from padding import ConversionReport, PaddingError
from padding.conversion.convert import report_hidden
from padding.schemes.reweight import forget_ratios
from studies.runs.collect import REFERENCE
from studies.timing.interleaved import Step, StepError, interleaved
from studies.timing.options import Options
from studies.timing.record import COMPILED, NULL, Times, TimingCase
from studies.timing.variants import compile_variant, make_variant, variant_names

CLASSES = 1000
"""Logits, as in the paper's networks."""

AUTOCAST = {"32-true": None, "bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}
"""Precision, as the Trainer calls it, to the dtype of autocast."""


@dataclass(frozen=True)
class Conditions:
    """Under which every case is measured.

    Attributes:
        options: of `main.py timing`.
        device: that the networks run on.
        stopwatch: seconds of a step.
    """

    options: Options
    device: torch.device
    stopwatch: Callable[[Step], float]


class CaseError(RuntimeError):
    """A network that cannot be measured at all; the message says why."""


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
        """The first iteration of a copy built anew, which `steps` keeps for its later ones."""
        variant, _ = make_variant(self.network, name)
        # Ratios that another copy left in the process-wide cache would make this a later iteration.
        forget_ratios()
        if self.mode == COMPILED:
            variant = compile_variant(variant)
        self.steps[name] = step = forward_step(variant, self.images, self.conditions)
        return _with_empty_caches(step) if self.mode == COMPILED else step

    def measure(self) -> tuple[Times, Times]:
        """Seconds of first and of later iterations. Raises StepError, naming a scheme that fails."""
        under, stopwatch = self.conditions.options, self.conditions.stopwatch
        # One before the first that counts: a process compiles its first network, and uses memory, unlike later ones.
        interleaved([REFERENCE], self.fresh, 1, stopwatch)
        first: Times = {name: [] for name in self.names}
        for number in range(under.first_rounds):
            if self.mode == COMPILED:
                # Otherwise dynamo reuses the code of an earlier copy, and the first iteration does not compile.
                torch.compiler.reset()
            for name, (seconds,) in interleaved(self.names, self.fresh, 1, stopwatch, under.seed + number).items():
                first[name].append(seconds)
        later = interleaved(self.names, self.steps.__getitem__, under.warm_up + under.rounds, stopwatch, under.seed)
        return first, {name: seconds[under.warm_up :] for name, seconds in later.items()}


def measure_case(
    name: str, size: tuple[int, int], mode: str, conditions: Conditions
) -> tuple[TimingCase, dict[str, str]]:
    """Times timm model `name` on images of `size` (height, width) under zero padding, twice, and the options' schemes.

    Returns:
        The times, and for each scheme that the network cannot run under, why not.

    Raises:
        CaseError: if it cannot be built, does not run at this size, or runs under none of the schemes.
    """
    try:
        network, images = _prepare(name, size, conditions)
    except Exception as error:
        raise CaseError(_reason(error)) from error
    failed: dict[str, str] = {}
    names, report = _usable(network, images, conditions, failed)
    while True:
        if names == [REFERENCE, NULL]:
            raise CaseError("; ".join(sentences(failed)))
        try:
            first, later = _Case(network, images, mode, conditions, names).measure()
        except StepError as error:
            _drop(error, names, failed)
        else:
            return TimingCase(name, *size, mode, len(report.converted), report.unsupported, first, later), failed


def sentences(failed: Mapping[str, str]) -> list[str]:
    """One for each reason, with the schemes that failed for it."""
    schemes: dict[str, list[str]] = {}
    for scheme, reason in failed.items():
        schemes.setdefault(reason, []).append(scheme)
    return [f"{', '.join(names)}: {reason}" for reason, names in schemes.items()]


def forward_step(network: nn.Module, images: Tensor, conditions: Conditions) -> Step:
    """One inference of `network` on `images`."""
    dtype = AUTOCAST[conditions.options.precision]
    autocast = torch.autocast(images.device.type, dtype=dtype, enabled=dtype is not None)

    def forward() -> None:
        with torch.inference_mode(), autocast:
            network(images)

    return forward


def _prepare(name: str, size: tuple[int, int], conditions: Conditions) -> tuple[nn.Module, Tensor]:
    layout = torch.channels_last if conditions.options.channels_last else torch.contiguous_format
    # No weights are downloaded: times do not depend on their values.
    network = create_network(name, CLASSES).eval().to(conditions.device, memory_format=layout)
    images = torch.randn(conditions.options.batch_size, 3, *size, generator=torch.Generator().manual_seed(0))
    return network, images.to(conditions.device, memory_format=layout)


def _usable(
    network: nn.Module, images: Tensor, conditions: Conditions, failed: dict[str, str]
) -> tuple[list[str], ConversionReport | None]:
    """Runs each variant once. Returns those that ran and what was converted; the reasons of others go to `failed`."""
    names, report = [], None
    for name in variant_names(conditions.options.schemes):
        try:
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", "no padded convolution")  # an error here
                variant, own = make_variant(network, name)
            if own is not None and not own.converted:
                raise PaddingError("no convolution of the network is padded, so there is nothing to compare")
            forward_step(variant, images, conditions)()
            if own is not None:
                report_hidden(variant, own, images)
        except Exception as error:
            _drop(StepError(name, error), names, failed)
        else:
            names.append(name)
            report = own or report
    return names, report


def _drop(error: StepError, names: list[str], failed: dict[str, str]) -> None:
    """Drops a scheme that failed. Raises CaseError for zero padding, which all others are compared with."""
    if error.name in (REFERENCE, NULL):
        raise CaseError(_reason(error.cause)) from error.cause
    failed[error.name] = _reason(error.cause)
    if error.name in names:
        names.remove(error.name)


def _reason(error: Exception) -> str:
    """One line: torch's and the compiler's messages go on for pages."""
    return str(error).strip().partition("\n")[0] or type(error).__name__


def _with_empty_caches(step: Step) -> Step:
    # The compiler would find on disk what it made for the copy before.
    from torch._inductor.utils import fresh_inductor_cache

    def compiling() -> None:
        with fresh_inductor_cache():
            step()

    return compiling
