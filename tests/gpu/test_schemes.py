"""Every scheme on the device against the CPU in float64: values, gradients, half precision, memory formats, graphs."""

import copy

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from lightning_modules.padded_network import to_channels_last
from padding import available_schemes, convert_padding

SCHEMES = (*available_schemes(), "replicate,circular", "zero,partial")
LAYERS = {
    "3x3": {"kernel_size": 3, "padding": 1},
    "5x3, strided": {"kernel_size": (5, 3), "padding": (2, 1), "stride": 2, "bias": False},
    "dilated, groups": {"kernel_size": 3, "padding": 2, "dilation": 2, "groups": 2},
}
TOLERANCE = {torch.float64: 1e-11, torch.float32: 2e-5, torch.float16: 4e-3, torch.bfloat16: 3e-2}


def network(scheme, layer):
    """A convolution in float64 on the CPU, in evaluation: schemes that draw at random draw in training."""
    convolution = nn.Conv2d(4, 6, **LAYERS[layer]).double().eval()
    convert_padding(convolution, scheme)
    return convolution


def images(dtype=torch.float64, batch=2):
    return torch.randn(batch, 4, 14, 16, dtype=torch.float64).to(dtype)


def gradients(model, x):
    x = x.clone().requires_grad_()
    model.zero_grad()
    output = model(x)
    # Not constant, nor symmetric.
    weights = torch.linspace(-1, 2, output.numel(), dtype=torch.float64).view(output.shape).to(output)
    (output * weights).sum().backward()
    return [output.detach(), x.grad, *(each.grad.clone() for each in model.parameters())]


def close(found, expected, dtype):
    for one, other in zip(found, expected, strict=True):
        scale = other.abs().max()
        assert_close(one.cpu().double() / scale, other / scale, rtol=0, atol=TOLERANCE[dtype])


@pytest.mark.parametrize("dtype", TOLERANCE, ids=lambda dtype: str(dtype).removeprefix("torch."))
@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("scheme", SCHEMES)
def test_values_and_gradients(scheme, layer, dtype, device):
    model, x = network(scheme, layer), images(dtype)
    rounded = copy.deepcopy(model).to(dtype)
    # What half precision makes of weights and images is not the scheme's doing.
    expected = gradients(copy.deepcopy(rounded).double(), x.double())
    close(gradients(rounded.to(device), x.to(device)), expected, dtype)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_channels_last(scheme, device):
    model, x = network(scheme, "3x3").float(), images(torch.float32)
    expected = gradients(copy.deepcopy(model).double(), x.double())
    to_channels_last(model).to(device)
    found = gradients(model, x.to(device, memory_format=torch.channels_last))
    assert found[0].is_contiguous(memory_format=torch.channels_last)
    close(found, expected, torch.float32)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=["float16", "bfloat16"])
@pytest.mark.parametrize("scheme", SCHEMES)
def test_autocast(scheme, dtype, device):
    model, x = network(scheme, "3x3").float().to(device), images(torch.float32).to(device)
    with torch.autocast(device.type, dtype=dtype):
        output = model(x)
    assert output.dtype == dtype
    close([output], [copy.deepcopy(model).cpu().double()(x.cpu().double()).detach()], dtype)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_deterministic(scheme, device):
    """No scheme's backward pass is refused, and a second one is the same bit for bit."""
    model, x = network(scheme, "3x3").float().to(device), images(torch.float32, batch=16).to(device)
    torch.use_deterministic_algorithms(True)
    try:
        first, second = gradients(model, x), gradients(model, x)
    finally:
        torch.use_deterministic_algorithms(False)
    assert all(torch.equal(one, other) for one, other in zip(first, second, strict=True))


@pytest.mark.needs_cuda
@pytest.mark.parametrize("scheme", SCHEMES)
def test_compiled(scheme, device):
    model = nn.Sequential(network(scheme, "3x3"), nn.ReLU(), nn.Conv2d(6, 3, 1).double()).to(device)
    compiled = torch.compile(copy.deepcopy(model), fullgraph=True)
    for size in (14, 14, 18):
        x = torch.randn(2, 4, size, size, dtype=torch.float64, device=device)
        expected = [each.cpu() for each in gradients(model, x)]
        close(gradients(compiled, x), expected, torch.float64)


@pytest.mark.needs_cuda
@pytest.mark.parametrize("scheme", SCHEMES)
def test_cuda_graph(scheme, device):
    """A captured forward pass, replayed on other images; captured at once, and after a call outside of a graph."""
    for before in (0, 1):
        model, x = network(scheme, "3x3").float().to(device), images(torch.float32).to(device)
        with torch.inference_mode():
            side = torch.cuda.Stream()
            side.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(side):
                nn.functional.conv2d(x, model.weight, model.bias, padding=1)  # cuDNN's handles
                for _ in range(before):
                    model(x)
            torch.cuda.current_stream().wait_stream(side)
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph):
                captured = model(x)
            x.copy_(images(torch.float32))
            graph.replay()
            assert_close(captured, model(x), rtol=0, atol=0 if before else 1e-5)
