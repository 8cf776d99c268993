"""Measures what main.py costs outside of training: its help, a wrong option, `report` and `sweep --plan` at scale.

Every command runs in its own process, whose CPU seconds and peak memory the system counts; on a busy machine CPU
seconds are steadier than wall-clock seconds, which are given, too. A third of the size beside the whole shows growth.
"""

import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

import yaml

from benchmarks.parts import Row, Setting
from records import RunFolder, RunRecord

ROOT = Path(__file__).resolve().parents[1]
SCHEMES = ("zero", "partial", "reflect", "replicate")
NETWORKS = ("resnet18", "resnet34", "resnet50", "vgg16_bn", "convnext_tiny")


def program_rows(setting: Setting) -> Iterator[Row]:
    """Yields a row per command: its limit, and medians of CPU seconds, wall-clock seconds and peak memory."""
    wrong = ["fit", "--config", "configs/demo/demo.yaml", "--model.paddin=partial"]
    yield measure("--help", ["--help"], 3, limit=0.5)
    yield measure("a wrong option", wrong, 3, limit=4, status=2)
    with tempfile.TemporaryDirectory() as folder:
        for number in (100, 300):
            make_runs(Path(folder, f"runs-{number}"), number, epochs=100)
            what = f"report, {number} runs of 100 epochs"
            yield measure(what, ["report", f"{folder}/runs-{number}"], 1, limit=60, gib=1)
        for number in (3333, 10_000):
            path = make_sweep(Path(folder, f"sweep-{number}.yaml"), number)
            yield measure(f"sweep --plan, {number} points", ["sweep", str(path), "--plan"], 1, limit=20)


def measure(what: str, arguments: list[str], repeats: int, limit: float, status: int = 0, gib: float | None = None):
    """Runs `main.py *arguments` `repeats` times; returns the row of the table.

    Raises:
        RuntimeError: the exit status is not `status`.
    """
    seconds, passed, peaks = zip(*(_once(arguments, status) for _ in range(repeats)), strict=True)
    row: dict[str, Any] = {"command": what, "n": repeats, "limit, s": limit, "CPU s": round(median(seconds), 2)}
    row |= {"passed, s": round(median(passed), 2), "peak, GiB": round(median(peaks), 2)}
    return row | {"met": median(seconds) <= limit and (gib is None or median(peaks) <= gib)}


def _once(arguments: list[str], status: int) -> tuple[float, float, float]:
    environment = os.environ | {"OMP_NUM_THREADS": "1", "WANDB_MODE": "offline"}
    start = time.perf_counter()
    with subprocess.Popen(
        [sys.executable, "main.py", *arguments],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        _, ended, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(ended)
    if process.returncode != status:
        raise RuntimeError(f"main.py {' '.join(arguments)} ended with {process.returncode}, not {status}")
    unit = 2**30 if sys.platform == "darwin" else 2**20  # ru_maxrss is in bytes on macOS, in KiB elsewhere
    return used.ru_utime + used.ru_stime, time.perf_counter() - start, used.ru_maxrss / unit


def make_runs(root: Path, number: int, epochs: int) -> None:
    """Writes run folders of simulated finished trainings with exponential curves; seeds vary slowest."""
    for index in range(number):
        seed, place = divmod(index, len(NETWORKS) * len(SCHEMES))
        network, padding = NETWORKS[place // len(SCHEMES)], SCHEMES[place % len(SCHEMES)]
        group = f"{network}-{padding}"
        folder = RunFolder(root / f"{group}-seed{seed}")
        record = RunRecord(
            id=f"{index:08x}",
            name=f"{group}-seed{seed}",
            group=group,
            network=network,
            padding=padding,
            seed=seed,
            max_epochs=epochs,
            monitor="val/acc1",
            targets=[40.0, 50.0, 60.0],
            digest=f"{index:032x}",
            finished=True,
        )
        folder.write_record(record)
        folder.write_rows([_epoch(epoch, place + 0.1 * seed) for epoch in range(epochs)])
        settings = {"network": network, "padding": padding, "lr": 0.1, "num_classes": 10}
        model = {"class_path": "lightning_modules.ClassificationModule", "init_args": settings}
        folder.config.write_text(yaml.safe_dump({"seed_everything": seed, "model": model, "run": {"root": str(root)}}))


def _epoch(epoch: int, shift: float) -> dict[str, float]:
    learnt = 1 - math.exp(-epoch / 20) + 0.01 * math.sin(7 * epoch + shift)
    values = {"lr": 0.1, "train/loss": 2.3 - 2 * learnt, "train/acc1": 90 * learnt, "val/loss": 2.3 - 1.8 * learnt}
    return {"epoch": epoch, "step": 391 * (epoch + 1), **values, "val/acc1": 70 * learnt + shift % 1, "seconds": 30.0}


def make_sweep(path: Path, points: int) -> Path:
    """Writes a sweep file of the demo with a grid of `points` points or a few more, ordered with seeds slowest."""
    parameters = {
        "seed_everything": {"values": list(range(math.ceil(points / 10)))},
        "model.lr": {"values": [0.1, 0.05, 0.02, 0.01, 0.005]},
        "model.padding": {"values": ["zero", "partial"]},
    }
    command = ["${env}", "${interpreter}", "${program}", "fit", "--config", "configs/demo/demo.yaml"]
    command += [f"--run.root={path.parent}/runs", "${args}"]  # runs of the demo would count as points of this grid
    path.parent.mkdir(parents=True, exist_ok=True)
    sweep = {"program": "main.py", "method": "grid", "parameters": parameters, "command": command}
    path.write_text(yaml.safe_dump(sweep))
    return path
