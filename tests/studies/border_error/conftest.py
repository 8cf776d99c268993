"""A network and images small enough to measure in a second."""

import pytest
import torch

from networks.create import create_network
from studies.checkpoints.networks import Source


@pytest.fixture
def source():
    """Makes a Source of a network; of `cifar_resnet10` with norms that are not the identity without one."""

    def make(network=None, size=32, classes=None):
        if network is None:
            torch.manual_seed(0)
            network = create_network("cifar_resnet10", 10)
            for _ in range(20):
                network(torch.randn(8, 3, size, size))
        network.eval().requires_grad_(False)
        return Source("tiny", network, "zero", "random", size, (0.5,) * 3, (0.25,) * 3, classes or {})

    return make
