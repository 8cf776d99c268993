"""Training on the device: no step waits, batch normalisation over two processes, and exact resume."""

import os
import socket
import subprocess
import sys

import pytest
import torch

from tests.support.program import NO_DASHBOARD, ROOT, fit, killed, main, main_here, only_run
from tests.support.same_end import assert_same_end
from training.loops import EpochLoop

ON_GPU = [NO_DASHBOARD, "--trainer.accelerator=gpu", "--trainer.devices=1", "--data.num_workers=1"]


@pytest.mark.needs_cuda
@pytest.mark.parametrize("scheme", ["zero", "partial", "reflect"])
def test_no_step_waits(tmp_path, sample_tree, monkeypatch, scheme):
    advance, steps = EpochLoop.advance, []

    def watched(loop, fetcher):
        steps.append(loop)
        torch.cuda.set_sync_debug_mode("error" if len(steps) > 3 else "default")
        try:
            advance(loop, fetcher)
        finally:
            torch.cuda.set_sync_debug_mode("default")

    monkeypatch.setattr(EpochLoop, "advance", watched)
    often = ["--run.checkpoint_every_n_steps=0", "--trainer.max_epochs=1", f"--model.padding={scheme}"]
    assert main_here(*fit(tmp_path, sample_tree, *ON_GPU, *often)) == 0
    assert len(steps) > 4


@pytest.mark.needs_cuda
@pytest.mark.parametrize("scheme", ["partial", "reflect"])
def test_exact_resume(tmp_path, sample_tree, scheme):
    options = [*ON_GPU, "--trainer.deterministic=true", f"--model.padding={scheme}", "--run.checkpoint_every_n_steps=3"]
    killed("step", 5, *fit(tmp_path / "killed", sample_tree, *options))
    for name in ("killed", "whole"):
        main(*fit(tmp_path / name, sample_tree, *options))
    assert_same_end(only_run(tmp_path / "killed"), only_run(tmp_path / "whole"))


@pytest.mark.needs_cuda
@pytest.mark.parametrize("scheme", ["partial", "reflect"])
def test_batch_normalisation_over_two_processes_of_one_gpu(tmp_path, scheme):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    program = [sys.executable, str(ROOT / "tests/gpu/sync_batchnorm.py"), scheme, str(tmp_path)]
    meeting = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": "2"}
    processes = [subprocess.Popen(program, cwd=ROOT, env=os.environ | meeting | {"RANK": rank}) for rank in "01"]
    assert [process.wait(timeout=300) for process in processes] == [0, 0]
    alone, *shared = (torch.load(tmp_path / f"{name}.pt", weights_only=True) for name in ("alone", "0", "1"))
    torch.testing.assert_close(torch.cat([each["output"] for each in shared]), alone["output"], rtol=0, atol=1e-10)
    for name, gradient in alone["gradients"].items():
        torch.testing.assert_close(sum(each["gradients"][name] for each in shared), gradient, rtol=1e-9, atol=1e-10)
