"""Reflect and replicate where torch's have no deterministic backward pass, against where they have one."""

import pytest
import torch
from torch.testing import assert_close

from padding import conv2d
from padding.schemes import extend


@pytest.mark.parametrize("scheme", ["reflect", "replicate"])
@pytest.mark.parametrize("pads", [((1, 1), (1, 1)), ((2, 2), (0, 3))])
def test_deterministic_values_and_gradients(monkeypatch, scheme, pads):
    results = []
    for deterministic in (False, True):
        monkeypatch.setattr(extend, "_must_be_deterministic", lambda input, answer=deterministic: answer)
        torch.manual_seed(0)
        x = torch.randn(2, 3, 5, 6, dtype=torch.float64, requires_grad=True)
        weight = torch.randn(4, 3, 3, 3, dtype=torch.float64, requires_grad=True)
        output = conv2d(x, weight, padding=pads, scheme=scheme)
        output.backward(torch.randn_like(output))
        results.append((output, x.grad, weight.grad))
    assert_close(results[1], results[0], rtol=1e-13, atol=1e-13)
    padded_by = [output.grad_fn.next_functions[0][0].name() for output, *_ in results]
    assert ["Pad2D" in name for name in padded_by] == [True, False], padded_by
