"""Checks the options of `main.py timing`, then measures each network, size and mode."""

import sys
import time
from itertools import product
from pathlib import Path
from typing import Any

import torch

from networks.create import check_name
from padding.registry import find_scheme
from records.errors import UserError
from studies.checkpoints.missing import choose_device
from studies.runs.measured import read_same
from studies.timing.inference import CaseError, Conditions, measure_case, sentences
from studies.timing.interleaved import Stopwatch, describe_device
from studies.timing.options import Options
from studies.timing.record import COMPILED, EAGER, GRAPHS, TimingCase, TimingRecord
from training.provenance import started

CLOCKS = {"wall": time.perf_counter, "process": time.process_time}


def check(options: Options, file: Path) -> Conditions:
    """Checks the options of `main.py timing`, sets `modes` if they are left out, and returns the conditions.

    Raises:
        UserError: the device does not exist or has no such clock, or `file` exists and is no earlier record.
        NetworkError, PaddingError: a network or a scheme does not exist.
    """
    device = torch.device(choose_device(options.device))
    options.modes = options.modes or ([EAGER, COMPILED] if device.type == "cuda" else [EAGER])
    if options.clock == "process" and (device.type != "cpu" or COMPILED in options.modes):
        raise UserError(
            "--clock process counts the CPU seconds of this process alone, not what a GPU and a compiler's processes "
            "do; leave it out, or say --device cpu --modes eager"
        )
    if GRAPHS in options.modes and device.type != "cuda":
        raise UserError("--modes graphs needs a CUDA GPU; on other devices there is eager and compiled")
    for name in options.networks:
        check_name(name)
    for scheme in options.schemes:
        find_scheme(scheme)
    # Raises now, not after minutes of measuring.
    read_same(file, TimingRecord, {})
    if options.threads:
        torch.set_num_threads(options.threads)
    return Conditions(options, device, Stopwatch(device, CLOCKS[options.clock]))


def measure(under: Conditions) -> TimingRecord:
    """Measures every case, the others too if one fails. Raises UserError if none could be measured."""
    options, origin = under.options, _origin(under.device)
    cases: list[TimingCase] = []
    failed: list[str] = []
    todo = list(product(*map(dict.fromkeys, (options.networks, options.pixels, options.modes))))
    for number, (network, size, mode) in enumerate(todo, start=1):
        what = f"{network}, {size[0]} x {size[1]}, {mode}"
        _note(f"measuring {number} of {len(todo)}: {what}")
        try:
            case, problems = measure_case(network, size, mode, under)
        except CaseError as error:
            new = [f"{what}: {error}"]
        else:
            cases.append(case)
            new = [f"{what}, {problem}" for problem in sentences(problems)]
        for problem in new:
            _note(f"not measured: {problem}")
        failed += new
    if not cases:
        raise UserError("\n".join(["nothing could be measured:", *(f"  {problem}" for problem in failed)]))
    return TimingRecord(
        device=str(under.device),
        hardware=describe_device(under.device),
        threads=torch.get_num_threads(),
        batch_size=options.batch_size,
        warm_up=options.warm_up,
        clock=options.clock,
        cases=cases,
        failed=failed,
        provenance=origin,
    )


def _origin(device: torch.device) -> dict[str, Any]:
    found = started()
    if device.type == "cuda":
        # Both change the kernels that convolutions run, and so the times.
        found["cudnn"] = {"benchmark": torch.backends.cudnn.benchmark, "allow_tf32": torch.backends.cudnn.allow_tf32}
    return found


def _note(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
