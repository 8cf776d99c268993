"""Checks that processes can communicate; each process imports this file, which therefore does without Lightning."""

import socket
from datetime import timedelta

import torch
import torch.distributed as dist
from torch.multiprocessing import start_processes


def all_reduce() -> str:
    """Adds a number up in two processes, by NCCL on two GPUs, else by gloo; returns what was used."""
    backend = "nccl" if torch.cuda.device_count() > 1 else "gloo"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    start_processes(_add_up, (backend, port), nprocs=2, start_method="spawn")
    return f"2 processes by {backend}"


def _add_up(rank: int, backend: str, port: int) -> None:
    # torch would wait for minutes by default.
    meeting, limit = f"tcp://127.0.0.1:{port}", timedelta(seconds=60)
    dist.init_process_group(backend, init_method=meeting, rank=rank, world_size=2, timeout=limit)
    number = torch.tensor(float(rank + 1), device=f"cuda:{rank}" if backend == "nccl" else "cpu")
    dist.all_reduce(number)
    dist.destroy_process_group()
    if number.item() != 3:
        raise RuntimeError(f"1 + 2 became {number.item()}")
