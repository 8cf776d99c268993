"""Whatever records a network, or runs it first: its eager outputs and its training stay the same, bit for bit.

Ratios are kept between eager calls. One made while recording may be a fake tensor, a tracer's or a constant of a graph.
"""

import copy
import functools

import pytest
import torch
from torch.autograd import forward_ad
from torch.fx.experimental.proxy_tensor import make_fx
from torch.utils.flop_counter import FlopCounterMode

from padding import convert_padding, reweight
from tests.support.padded_nets import build, images, sizes

AUTO = torch.export.Dim.AUTO
DYNAMIC = ({0: AUTO, 2: AUTO, 3: AUTO},)


def compile_and_train(net, x):
    compiled = torch.compile(net, fullgraph=True, backend="aot_eager")
    compiled(x).sum().backward()
    net.zero_grad(set_to_none=True)


def run_on_fake_tensors(net, x):
    with torch._subclasses.FakeTensorMode(allow_non_fake_inputs=True) as mode:
        net(mode.from_tensor(x))


def differentiate_forwards(net, x):
    with forward_ad.dual_level():
        net(forward_ad.make_dual(x, x))


def count_operations(net, x):
    with FlopCounterMode(display=False):
        net(x)


RECORDERS = {
    "export": lambda net, x: torch.export.export(net, (x,), dynamic_shapes=DYNAMIC, strict=False),
    "export, strict": lambda net, x: torch.export.export(net, (x,), dynamic_shapes=DYNAMIC, strict=True),
    "export, one size": lambda net, x: torch.export.export(net, (x,)),
    "compile": compile_and_train,
    "trace": lambda net, x: torch.jit.trace(net, x, check_trace=False),  # the check is an eager run
    "fx": lambda net, x: torch.fx.symbolic_trace(net),
    "make_fx": lambda net, x: make_fx(net)(x),
    "make_fx, symbolic": lambda net, x: make_fx(net, tracing_mode="symbolic", _allow_non_fake_inputs=True)(x),
    "fake tensors": run_on_fake_tensors,
    "dispatch mode": count_operations,
    "vmap": lambda net, x: torch.func.vmap(net)(x.unsqueeze(1)),
    "jvp": lambda net, x: torch.func.jvp(net, (x,), (x,)),
    "dual numbers": differentiate_forwards,
}


def call_under(mode, net, x):
    with mode():
        net(x)


FIRST_CALLS = {
    "meta": lambda net, x: copy.deepcopy(net).to("meta")(x.to("meta")),
    "inference": functools.partial(call_under, torch.inference_mode),
    "no gradients": functools.partial(call_under, torch.no_grad),
}


@pytest.fixture(autouse=True)
def _fresh():
    torch._dynamo.reset()
    reweight.forget_ratios()


def results(net, x):
    """An output without gradients, one with, the gradients, and the gradients of these."""
    with torch.no_grad():
        first = net(x)
    output = net(x)
    parameters = list(net.parameters())
    gradients = torch.autograd.grad(output.square().sum(), parameters, create_graph=True)
    second = torch.autograd.grad(sum(gradient.square().sum() for gradient in gradients), parameters)
    return [value.detach() for value in (first, output, *gradients, *second)]


@pytest.mark.parametrize("how", [*RECORDERS, *FIRST_CALLS])
@pytest.mark.filterwarnings("ignore")
def test_eager_results_stay(how):
    net = build("2d")
    convert_padding(net, "partial")
    x = images(2, sizes("2d")[0])
    before = results(net, x)
    reweight.forget_ratios()
    {**RECORDERS, **FIRST_CALLS}[how](net, x)
    assert how in FIRST_CALLS or not reweight._CACHE._frames, "a ratio was kept while recording"
    for value, was in zip(results(net, x), before, strict=True):
        assert type(value) is torch.Tensor
        assert torch.equal(value, was)
