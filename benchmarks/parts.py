"""Runs the parts of a benchmark one after another into a folder: what is finished is kept, whatever happens then.

Each part has a process of its own, so that one that fails, hangs or spoils the device costs the others nothing. Its
rows are written as they come, with hardware, versions and commit, to PART.json; results.md shows all of them. Started
again with the same folder, parts that are complete are not run again.
"""

import json
import multiprocessing
import os
import platform
import shlex
import signal
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from records.atomic import write_text
from records.codec import read_json
from records.errors import in_one_line
from studies.timing.interleaved import Stopwatch, describe_device
from training.provenance import provenance

COMPLETE = "complete"

Row = dict[str, Any]
"""Column to value; what begins with an underscore, such as every single time, is in the JSON alone."""


@dataclass(frozen=True)
class Setting:
    """What all parts are told.

    Attributes:
        device: that is measured.
        folder: of the results.
        tiny: measure something small once, to rehearse.
        data: folder of the images of a part that reads some, such as CIFAR-10's.
        scenes: tree in Cityscapes' layout of a part that reads one.
        deadline: of the part, on the clock `time.monotonic`.
    """

    device: torch.device
    folder: Path
    tiny: bool = False
    data: Path | None = None
    scenes: Path | None = None
    deadline: float = float("inf")

    @property
    def stopwatch(self) -> Stopwatch:
        """On a CPU it counts the seconds of this process alone, steadier beside other work."""
        return Stopwatch(self.device, time.process_time if self.device.type == "cpu" else time.perf_counter)

    @property
    def left(self) -> float:
        """Seconds until the deadline."""
        return self.deadline - time.monotonic()


@dataclass(frozen=True)
class Part:
    """A table.

    Attributes:
        name: of its files.
        title: of the table, with what is measured, and in which units.
        rows: measures it, row by row.
        share: of the time left, that it may take.
        missing: why it cannot be run; "" if it can.
    """

    name: str
    title: str
    rows: Callable[[Setting], Iterator[Row]]
    share: float = 0.5
    missing: str = ""


def spread(values: list[float]) -> str:
    """Median and quartiles."""
    low, middle, high = statistics.quantiles(values, n=4)
    return f"{middle:.3f} [{low:.3f}, {high:.3f}]"


def ratios(times: list[float], base: list[float]) -> list[float]:
    """Each round's time over the base's time in the same round."""
    return [own / other for own, other in zip(times, base, strict=True)]


def kept_bytes(step: Callable[[], object], model: nn.Module) -> int:
    """What a step's forward pass keeps for its backward pass, by autograd's saved tensors, but for parameters."""
    weights = {parameter.untyped_storage().data_ptr() for parameter in model.parameters()}
    kept: dict[int, int] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        step()
    return sum(size for place, size in kept.items() if place not in weights)


def run_parts(parts: Sequence[Part], setting: Setting, minutes: float) -> int:
    """Runs them within `minutes`; returns 1 if one failed, else 0."""
    end = time.monotonic() + 60 * minutes
    for part in parts:
        file = setting.folder / f"{part.name}.json"
        if _state(file) != COMPLETE:
            allowed = part.share * max(0.0, end - time.monotonic())
            print(f"\n{part.title}", flush=True)
            _run(part, Setting(**{**vars(setting), "deadline": time.monotonic() + allowed}), file)
        write_text(setting.folder / "results.md", markdown([setting.folder / f"{each.name}.json" for each in parts]))
    print(f"\nresults: {setting.folder}/results.md")
    return int(any(_state(setting.folder / f"{part.name}.json").startswith("failed") for part in parts))


def _state(file: Path) -> str:
    return read_json(file)["state"] if file.exists() else "not run"


def _run(part: Part, setting: Setting, file: Path) -> None:
    if part.missing or setting.left < 1:
        reason = part.missing or "no time was left"
        print(f"skipped: {reason}", flush=True)
        return _write(file, part, f"skipped: {reason}", [], {})
    # A fork has imported everything already; this process itself never starts CUDA, which no fork would survive.
    process = multiprocessing.get_context("fork").Process(target=_measure, args=(part, setting, file))
    process.start()
    try:
        process.join(setting.left)
    finally:
        if cut := process.is_alive():
            os.killpg(process.pid, signal.SIGKILL)  # with what it started
            process.join()
    if _state(file) in ("not run", "running"):
        kept = read_json(file) if file.exists() else {"rows": [], "facts": {}}
        state = "cut off: its time was over" if cut else f"failed: the process ended with {process.exitcode}"
        _write(file, part, state, kept["rows"], kept["facts"])
        print(state, flush=True)
    return None


def _measure(part: Part, setting: Setting, file: Path) -> None:
    os.setsid()
    started, rows = time.monotonic(), []
    facts = {**provenance(), "command": shlex.join(["python", *sys.orig_argv[1:]]), "device": str(setting.device)}
    facts |= {"hardware": describe_device(setting.device), "cores": multiprocessing.cpu_count()}
    facts |= {"system": platform.platform(), "cuda": torch.version.cuda}
    state = COMPLETE
    try:
        for row in part.rows(setting):
            rows.append(row)
            print("  " + ", ".join(f"{key} {value}" for key, value in row.items() if key[0] != "_"), flush=True)
            _write(file, part, "running", rows, facts)
    except Exception as error:
        state = f"failed: {in_one_line(error)}"
        print(state, flush=True)
    _write(file, part, state, rows, facts | {"seconds": round(time.monotonic() - started, 1)})


def _write(file: Path, part: Part, state: str, rows: list[Row], facts: dict[str, Any]) -> None:
    content = {"name": part.name, "title": part.title, "state": state, "rows": rows, "facts": facts}
    write_text(file, json.dumps(content, indent=1) + "\n")


def markdown(files: Sequence[Path]) -> str:
    """The tables of `files`; hardware, versions and commit once, where parts differ in them below their tables."""
    parts = [read_json(file) for file in files if file.exists()]
    origins = [_origin(part["facts"]) for part in parts]
    first = next(filter(None, origins), "")
    blocks = ["# Results", first]
    for part, origin in zip(parts, origins, strict=True):
        state = "" if part["state"] == COMPLETE else f" ({part['state']})"
        seconds = part["facts"].get("seconds")
        blocks += [f"## {part['title']}{state}", *([_table(part["rows"])] if part["rows"] else [])]
        blocks += [f"{seconds} s. {'' if origin == first else origin}".strip()] if seconds else []
    return "\n\n".join(block for block in blocks if block) + "\n"


def _origin(facts: dict[str, Any]) -> str:
    if not facts:
        return ""
    versions = ", ".join(f"{name} {number}" for name, number in facts["versions"].items() if number)
    cuda = f", CUDA {facts['cuda']}" if facts.get("cuda") and facts["device"] != "cpu" else ""
    return (
        f"`{facts['command']}` on {facts['hardware']} ({facts['device']}{cuda}; {facts['cores']} CPU cores), commit "
        f"{facts['commit']}; {versions}."
    )


def _table(rows: list[Row]) -> str:
    columns = list(dict.fromkeys(key for row in rows for key in row if key[0] != "_"))
    lines = [columns, ["---"] * len(columns), *([row.get(column, "") for column in columns] for row in rows)]
    return "\n".join(f"| {' | '.join(str(cell).replace('|', '/') for cell in line)} |" for line in lines)
