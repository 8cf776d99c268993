"""One of two processes on one GPU: sync_batchnorm.py SCHEME FOLDER; RANK 0 also computes the whole batch alone.

NCCL refuses two processes of one GPU, so they meet by gloo.
"""

import sys
from pathlib import Path

import torch
from timm.layers import convert_sync_batchnorm
from torch import distributed, nn

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from padding import convert_padding


def run(network: nn.Module, images: torch.Tensor, path: Path) -> None:
    output = network(images)
    (output**3).sum().backward()
    gradients = {name: parameter.grad.cpu() for name, parameter in network.named_parameters()}
    torch.save({"output": output.detach().cpu(), "gradients": gradients}, path)


def build(scheme: str) -> nn.Module:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 5, 3, padding=1), nn.BatchNorm2d(5), nn.ReLU(), nn.Conv2d(5, 4, 3, padding=1))
    convert_padding(network, scheme)
    return network.double().cuda()


if __name__ == "__main__":
    scheme, folder = sys.argv[1], Path(sys.argv[2])
    distributed.init_process_group("gloo")
    rank = distributed.get_rank()
    images = torch.randn(6, 3, 9, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(1)).cuda()
    run(convert_sync_batchnorm(build(scheme)), images[3 * rank : 3 * rank + 3], folder / f"{rank}.pt")
    if rank == 0:
        run(build(scheme), images, folder / "alone.pt")
    distributed.destroy_process_group()
