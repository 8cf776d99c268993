"""Two processes on halves of a batch have the gradients of one process on the whole."""

import socket

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch import nn
from torch.nn.parallel import DistributedDataParallel

import padding
from padding import PaddingError, convert_padding


def make():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 4, 7, 2, padding=3), nn.Flatten(1))
    convert_padding(net, "partial")
    return net.double(), torch.randn(4, 3, 8, 9, dtype=torch.float64)


def gradients(net, x):
    net(x).square().mean().backward()
    return [parameter.grad for parameter in net.parameters()]


def worker(rank, port, results):
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"tcp://127.0.0.1:{port}", rank=rank, world_size=2)
    net, x = make()
    wrapped = DistributedDataParallel(net)
    found = gradients(wrapped, x[2 * rank : 2 * rank + 2])
    try:
        padding.convert_padding(wrapped, "reflect")
        refusal = None
    except PaddingError as error:
        refusal = str(error)
    if rank == 0:
        torch.save((found, refusal), results)
    dist.barrier()
    dist.destroy_process_group()


@pytest.mark.slow  # `training` has fast ones; one process in DDP is in masked/test_refusals.py
def test_two_processes(tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    results = tmp_path / "gradients.pt"
    mp.spawn(worker, args=(port, str(results)), nprocs=2)
    found, refusal = torch.load(results)
    for gradient, expected in zip(found, gradients(*make()), strict=True):
        torch.testing.assert_close(gradient, expected)
    assert "wrapped by DistributedDataParallel; convert the inner module first" in refusal
