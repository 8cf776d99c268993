"""Runs the parts of a benchmark one after another and writes each part's rows to a folder as soon as they are measured.

Each part has its own process, so that a part that fails, hangs or breaks the device's state does not affect the others.
Its rows go to PART.json, with hardware, versions and commit; results.md shows all parts. Started again with the same
folder, complete parts are not run again.
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
"""Maps a column to its value; columns with a leading underscore, such as all single times, are in the JSON only."""


@dataclass(frozen=True)
class Setting:
    """The settings that every part gets.

    Attributes:
        device: device to measure.
        folder: folder of the results.
        tiny: whether to measure something small once, as a rehearsal.
        data: folder of images, such as CIFAR-10's, for parts that read images.
        scenes: tree in Cityscapes' layout, for parts that read scenes.
        deadline: end of the part's time, on the clock `time.monotonic`.
    """

    device: torch.device
    folder: Path
    tiny: bool = False
    data: Path | None = None
    scenes: Path | None = None
    deadline: float = float("inf")

    @property
    def stopwatch(self) -> Stopwatch:
        """The stopwatch of the device; on a CPU it counts CPU seconds of this process, steadier beside other work."""
        return Stopwatch(self.device, time.process_time if self.device.type == "cpu" else time.perf_counter)

    @property
    def left(self) -> float:
        """Seconds until the deadline."""
        return self.deadline - time.monotonic()


@dataclass(frozen=True)
class Part:
    """A part of a benchmark, which measures one table.

    Attributes:
        name: name of its files.
        title: title of the table, with what is measured, and in which units.
        rows: function that measures and yields the rows.
        share: share of the remaining time that the part may take.
        missing: reason why it cannot be run; "" if it can.
    """

    name: str
    title: str
    rows: Callable[[Setting], Iterator[Row]]
    share: float = 0.5
    missing: str = ""


def spread(values: list[float]) -> str:
    """Writes median and quartiles as text."""
    low, middle, high = statistics.quantiles(values, n=4)
    return f"{middle:.3f} [{low:.3f}, {high:.3f}]"


def ratios(times: list[float], base: list[float]) -> list[float]:
    """Divides each round's time by the base's time in the same round."""
    return [own / other for own, other in zip(times, base, strict=True)]


def kept_bytes(step: Callable[[], object], model: nn.Module) -> int:
    """Counts the bytes of tensors that autograd saves in a step for the backward pass, without parameters."""
    weights = {parameter.untyped_storage().data_ptr() for parameter in model.parameters()}
    kept: dict[int, int] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        step()
    return sum(size for place, size in kept.items() if place not in weights)


def run_parts(parts: Sequence[Part], setting: Setting, minutes: float) -> int:
    """Runs the parts within `minutes`; returns 1 if one failed, else 0."""
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
    """Runs a part in a forked process until its deadline; writes its state if that process could not."""
    if part.missing or setting.left < 1:
        reason = part.missing or "no time was left"
        print(f"skipped: {reason}", flush=True)
        return _write(file, part, f"skipped: {reason}", [], {})
    # A fork need not import everything again. This process never starts CUDA, because CUDA does not work in forks then.
    process = multiprocessing.get_context("fork").Process(target=_measure, args=(part, setting, file))
    process.start()
    try:
        process.join(setting.left)
    finally:
        if cut := process.is_alive():
            os.killpg(process.pid, signal.SIGKILL)  # the group, so that its child processes end, too
            process.join()
    if _state(file) in ("not run", "running"):
        kept = read_json(file) if file.exists() else {"rows": [], "facts": {}}
        state = "cut off: its time was over" if cut else f"failed: the process ended with {process.exitcode}"
        _write(file, part, state, kept["rows"], kept["facts"])
        print(state, flush=True)
    return None


def _measure(part: Part, setting: Setting, file: Path) -> None:
    """Measures a part in this process, and writes its rows to `file` as they come."""
    os.setsid()  # a process group of its own, which `_run` can kill as a whole
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
    """Writes the tables of `files`; hardware, versions and commit once, and below each table for which they differ."""
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
