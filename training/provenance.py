"""Collects the provenance of a result: command, host, commit, library versions, devices."""

import platform
import subprocess
import sys
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

PACKAGES = (
    *("torchvision", "timm", "pytorch-lightning", "torchmetrics", "wandb", "numpy", "pillow"),
    *("simplejpeg", "pyspng"),
)


def provenance() -> dict[str, Any]:
    """Returns facts about this process and its machine that a result may depend on."""
    return {
        "command": sys.argv,
        "host": platform.node(),
        "commit": commit(),
        # torch.__version__ also names the CUDA version of the build, unlike the package's version.
        "versions": {"python": platform.python_version(), "torch": torch.__version__}
        | {package: _version(package) for package in PACKAGES},
        "devices": _devices(),
        "threads": torch.get_num_threads(),
    }


def started() -> dict[str, Any]:
    """Returns `provenance` and the current time, for work that begins now."""
    return {"started": datetime.now(UTC).isoformat(timespec="seconds"), **provenance()}


def commit() -> str | None:
    """Returns the repository's commit, with `+changes` if files differ from it; None outside a git checkout."""
    head = _git("rev-parse", "HEAD")
    if head is None:
        return None
    return f"{head}+changes" if _git("status", "--porcelain", "--untracked-files=no") else head


def _git(*arguments: str) -> str | None:
    folder = Path(__file__).parent
    try:
        done = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, check=False, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _devices() -> list[str]:
    gpus = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    return gpus or [platform.processor() or platform.machine()]
