"""Runs a saved network in a process of its own, in which neither this package nor timm is loaded."""

import subprocess
import sys
from pathlib import Path

import torch

_PROGRAM = """
import sys, warnings, torch
warnings.filterwarnings("ignore")
network = {load}
with torch.no_grad():
    torch.save(network(torch.load("input.pt")), "output.pt")
assert not {{"padding", "timm"}} & set(sys.modules)
"""


def run_saved(folder: Path, load: str, x: torch.Tensor) -> torch.Tensor:
    """The output for `x` of the network that the expression `load` reads, evaluated in `folder`."""
    torch.save(x, folder / "input.pt")
    subprocess.run(
        [sys.executable, "-c", _PROGRAM.format(load=load)], cwd=folder, check=True, env={"OMP_NUM_THREADS": "1"}
    )
    return torch.load(folder / "output.pt")
