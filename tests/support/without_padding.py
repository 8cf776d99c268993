"""Runs saved networks in a process of its own, in which neither this package nor timm is loaded."""

import subprocess
import sys
from pathlib import Path

import torch

_PROGRAM = """
import sys, warnings, torch
warnings.filterwarnings("ignore")
networks = [{loads}]
with torch.no_grad():
    torch.save([network(torch.load("input.pt")) for network in networks], "output.pt")
assert not {{"padding", "timm"}} & set(sys.modules)
"""


def run_saved(folder: Path, loads: list[str], x: torch.Tensor) -> list[torch.Tensor]:
    """The outputs for `x` of the networks that the expressions `loads` read, evaluated in `folder`."""
    torch.save(x, folder / "input.pt")
    subprocess.run(
        [sys.executable, "-c", _PROGRAM.format(loads=", ".join(loads))],
        cwd=folder,
        check=True,
        env={"OMP_NUM_THREADS": "1"},
    )
    return torch.load(folder / "output.pt")
