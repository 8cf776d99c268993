"""No step of an epoch waits for the device: on a CPU, operations are named that would have to wait on a GPU."""

import contextlib

import pytest
import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from lightning_modules import ClassificationModule
from tests.support.program import NO_DASHBOARD, SMALL_SCENES, fit, main_here
from training.loops import EpochLoop

READING = ("_local_scalar_dense", "nonzero", "masked_select", "equal", "is_nonzero", "_unique2", "bincount")
"""ATen's operations whose result, or its size, the process must know."""


class Operations(TorchDispatchMode):
    def __init__(self, waits):
        super().__init__()
        self.waits = waits

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = func.overloadpacket.__name__
        masks = [each for each in args[1] or () if each is not None] if name in ("index", "index_put_") else []
        if name in READING or any(mask.dtype == torch.bool for mask in masks):
            self.waits.append(name)
        return func(*args, **(kwargs or {}))


class Copies(TorchFunctionMode):
    """Numbers of the process that are copied to the device."""

    def __init__(self, waits):
        super().__init__()
        self.waits = waits

    def __torch_function__(self, func, types, args=(), kwargs=None):
        made = func in (torch.tensor, torch.as_tensor) and not isinstance(args[0], torch.Tensor)
        if made and (kwargs or {}).get("device") is not None:
            self.waits.append(func.__name__)
        return func(*args, **(kwargs or {}))


@pytest.fixture
def waits(monkeypatch):
    """Those in all steps but the first, which makes what later ones find."""
    found, advance, steps = [], EpochLoop.advance, []

    def watched(loop, fetcher):
        steps.append(loop)
        with contextlib.ExitStack() as stack:
            for mode in (Operations, Copies) if len(steps) > 1 else ():
                stack.enter_context(mode(found))
            advance(loop, fetcher)

    monkeypatch.setattr(EpochLoop, "advance", watched)
    yield found
    assert len(steps) > 3


OFTEN = ("--run.checkpoint_every_n_steps=0", "--trainer.max_epochs=1", "--trainer.log_every_n_steps=1")


def test_classification(tmp_path, sample_tree, waits):
    command = fit(tmp_path, sample_tree, *OFTEN, NO_DASHBOARD, "--data.num_workers=1", "--model.padding=partial")
    assert main_here(*command) == 0
    assert not waits


def test_segmentation(tmp_path, sample_streets, waits):
    roots = [f"--data.root={sample_streets}", f"--run.root={tmp_path}"]
    # With the jitter and blur of the batches on the device.
    assert main_here("fit", *SMALL_SCENES, *roots, *OFTEN, "--data.num_workers=1", "--data.fast=true") == 0
    assert not waits


@pytest.mark.parametrize(
    ("step", "name"),
    [
        (lambda loss: float(loss), "_local_scalar_dense"),
        (lambda loss: loss.expand(2)[loss.expand(2) > 0], "index"),
        (lambda loss: torch.tensor(0.0, device=loss.device), "tensor"),
    ],
)
def test_a_wait_is_seen(tmp_path, sample_tree, waits, monkeypatch, step, name):
    original = ClassificationModule.training_step

    def slower(module, batch):
        loss = original(module, batch)
        step(loss)
        return loss

    monkeypatch.setattr(ClassificationModule, "training_step", slower)
    command = fit(tmp_path, sample_tree, *OFTEN, NO_DASHBOARD, "--data.num_workers=1")
    assert main_here(*command) == 0
    assert name in waits
