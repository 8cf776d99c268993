"""Compiled, traced, exported and in ONNX Runtime: the eager numbers, at sizes that were not seen while recording."""

import logging

import onnxruntime
import pytest
import timm
import torch
import torch._dynamo.testing
from timm.layers import Conv2dSame
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.fx.experimental.proxy_tensor import make_fx

from padding import PaddingError, ReflectConv2d, available_schemes, conv2d, convert_padding
from tests.support.padded_nets import SMALL_NETS, build, error, images, sizes, whole_network

pytestmark = pytest.mark.filterwarnings("ignore")  # torch.jit is deprecated, and warns of timm's own comparisons

AUTO = torch.export.Dim.AUTO
SCHEMES = ("partial", "reflect", "replicate", "circular")
ALL = [name for name in (*available_schemes()[1:], "zero,circular") if name != "earth"]  # which takes even widths alone
# Only partial padding has a ratio that follows the size; of the others, one net and one with SAME pads are enough.
CASES = [(net, "partial") for net in SMALL_NETS] + [("2d", scheme) for scheme in SCHEMES[1:]]
CASES += [("tensorflow same", "reflect")]
# A recorded mixture of filters keeps its batch, which is a number of groups.
FIXED_BATCH = {"conditional", "efficientnet_cc_b0_4e"}


@pytest.fixture(autouse=True)
def _fresh():
    torch._dynamo.reset()
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)


def dynamic(axes, batch=True):
    """The spatial axes of an input (N, C, *sizes) with sizes left open, and its batch."""
    open_axes = dict.fromkeys(range(2, 2 + axes), AUTO)
    return ({0: AUTO, **open_axes} if batch else open_axes,)


def trace(net, x, folder):
    torch.jit.save(torch.jit.trace(net, x, check_trace=False), folder / "net.pt")
    return torch.jit.load(folder / "net.pt")


def export(net, x, folder, strict=False):
    return torch.export.export(net, (x,), dynamic_shapes=dynamic(x.dim() - 2), strict=strict).module()


def run_in_onnx(net, x, folder, batch=True):
    """The network as ONNX Runtime's function of a tensor."""
    program = torch.onnx.export(net, (x,), dynamo=True, dynamic_shapes=dynamic(x.dim() - 2, batch), verbose=False)
    session = onnxruntime.InferenceSession(program.model_proto.SerializeToString(), providers=["CPUExecutionProvider"])
    (name,) = [each.name for each in session.get_inputs()]
    return lambda x: torch.from_numpy(session.run(None, {name: x.numpy()})[0])


RECORDERS = {
    "trace": (trace, CASES),
    "fx": (lambda net, x, folder: torch.fx.symbolic_trace(net), [("2d", "partial"), ("tensorflow same", "reflect")]),
    "export": (export, CASES),
    "compile": (
        lambda net, x, folder: torch.compile(net, fullgraph=True, dynamic=True, backend="eager"),
        [("tensorflow same", "partial"), *(("2d", scheme) for scheme in ALL)],
    ),
    "strict export": (lambda *args: export(*args, strict=True), [("2d", "partial"), ("2d", "reflect")]),
    "onnx": (run_in_onnx, [case for case in CASES if "scaled" not in case[0]]),
}
# Exports take seconds; the other networks hold no operation of this package that these lack. A strict one is recorded
# by the compiler's front end, as "compile" is.
FAST = {
    "onnx": [("2d", "partial")],
    "strict export": [],
    "export": [("2d", "partial"), ("1d", "partial"), ("tensorflow same", "partial"), ("tensorflow same", "reflect")],
    "compile": [("tensorflow same", "partial"), *(("2d", scheme) for scheme in ("replicate", "lp1", "constant"))],
}


@pytest.mark.parametrize(
    ("how", "name", "scheme"),
    [
        pytest.param(how, *case, marks=[pytest.mark.slow] * (case not in FAST.get(how, cases)))
        for how, (_, cases) in RECORDERS.items()
        for case in cases
    ],
)
@torch.no_grad()
def test_every_size(how, name, scheme, tmp_path):
    net = build(name)
    convert_padding(net, scheme)
    first, *later = sizes(name)
    fixed = name in FIXED_BATCH and how in ("trace", "onnx")
    options = {"batch": False} if fixed and how == "onnx" else {}
    recorded = RECORDERS[how][0](net, images(2, first), tmp_path, **options)
    for size in later:
        x = images(2 if fixed else 3, size)
        assert error(recorded(x), net(x)) < 1e-5, size


@pytest.mark.parametrize(
    ("how", "name"),
    [
        ("trace", "test_resnet"),
        ("trace", "test_efficientnet"),
        *(
            pytest.param(how, name, marks=pytest.mark.slow)
            for how, names in (
                ("trace", "test_nfnet resnetblur18 tf_efficientnet_b0 efficientnet_cc_b0_4e resnet50"),
                ("onnx", "test_resnet test_nfnet test_efficientnet resnetblur18 resnet50"),
            )
            for name in names.split()
        ),
    ],
)
@torch.no_grad()
def test_whole_networks(how, name, tmp_path):
    # A trace in float64: a 5x5 window that holds one position has 25 times its weight, and after untrained layers of
    # such windows float32 itself is off by 1e-4 of the output.
    dtype, tolerance = (torch.float64, 1e-10) if how == "trace" else (torch.float32, 1e-5)
    model = whole_network(name, "partial").to(dtype)
    recorded = RECORDERS[how][0](model, images(2, (64, 96)).to(dtype), tmp_path)
    for size in ((97, 66), (130, 33)):
        x = images(2 if name in FIXED_BATCH else 3, size).to(dtype)
        assert error(recorded(x), model(x)) < tolerance, size


@torch.no_grad()
def test_a_map_too_small_to_reflect_is_refused_everywhere(tmp_path):
    layer = ReflectConv2d(3, 1, 7, padding=3)
    x, small = images(2, (8, 9)), images(2, (3, 9))
    with pytest.raises(PaddingError):
        layer(small)
    with pytest.raises(AssertionError, match="Guard failed"):
        export(layer, x, tmp_path)(small)
    with pytest.raises(Exception, match="Pad reflect"):
        run_in_onnx(layer, x, tmp_path)(small)


GRADIENTS = {
    "trace": lambda net, x: torch.jit.trace(net, x, check_trace=False),
    "aot": lambda net, x: torch.compile(net, fullgraph=True, backend="aot_eager"),
    "inductor": lambda net, x: torch.compile(net, fullgraph=True),
}


@pytest.mark.parametrize(
    ("how", "scheme"),
    [
        ("trace", "partial"),
        ("aot", "partial"),
        *(pytest.param("inductor", scheme, marks=pytest.mark.slow) for scheme in SCHEMES),
    ],
)
def test_gradients_are_the_eager_ones(how, scheme):
    """Two layers, so that the backward pass goes through the padding of the second one."""
    net = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 2, 5, stride=2, padding=2))
    convert_padding(net, scheme)
    x = torch.randn(2, 3, 8, 9)
    GRADIENTS[how](net, x)(x).square().sum().backward()
    gradients = [parameter.grad.clone() for parameter in net.parameters()]
    net.zero_grad()
    net(x).square().sum().backward()
    for gradient, parameter in zip(gradients, net.parameters(), strict=True):
        torch.testing.assert_close(gradient, parameter.grad, rtol=1e-4, atol=1e-4)


@torch.no_grad()
def test_an_exported_network_holds_torchs_own_operations_alone(tmp_path):
    net = build("2d")
    convert_padding(net, "partial")
    x = images(2, sizes("2d")[0])
    called = [node.target for node in export(net, x, tmp_path).graph.nodes if node.op == "call_function"]
    assert {target.__module__.partition(".")[0] for target in called} <= {"torch", "_operator", "math"}
    assert {target.namespace for target in called if isinstance(target, torch._ops.OpOverload)} == {"aten"}


def test_partial_recompiles_no_more_than_zero():
    counts = {}
    for scheme in ("zero", "partial"):
        torch._dynamo.reset()
        net = nn.Sequential(nn.Conv2d(3, 4, 3, 2, padding=1), nn.Conv2d(4, 4, 5, padding=2), Conv2dSame(4, 2, 3, 2))
        convert_padding(net, scheme)
        counter = torch._dynamo.testing.CompileCounterWithBackend("eager")
        compiled = torch.compile(net, fullgraph=True, backend=counter)
        for size in ((8, 11), (9, 12), (14, 10), (16, 16)):
            compiled(torch.randn(2, 3, *size))
        counts[scheme] = counter.frame_count
    assert counts["partial"] <= counts["zero"]


@pytest.mark.parametrize("compiling", [False, True])
def test_on_a_gpu_nothing_is_copied_to_it(compiling, monkeypatch):
    """A copy would be one at every call of a compiled network, and a CUDA graph that is being recorded refuses it."""
    monkeypatch.setattr(torch.compiler, "is_compiling", lambda: compiling)
    with FakeTensorMode():
        operands = [torch.empty(shape, device="cuda") for shape in ((2, 3, 16, 16), (4, 3, 3, 3), (4,))]
        recorded = make_fx(lambda *operands: conv2d(*operands, padding=1, scheme="partial"))(*operands)
    copies = [node for node in recorded.graph.nodes if node.target is torch.ops.aten._to_copy.default]
    assert not [node for node in copies if "device" in node.kwargs]


def test_a_whole_network_under_autocast_and_compile():
    model = timm.create_model("test_resnet").eval()
    convert_padding(model, "partial")
    x = torch.randn(2, 3, 64, 64)
    exact = model(x)
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
        compiled = torch.compile(model, fullgraph=True, backend="aot_eager")
        for y in (model(x), compiled(x)):
            assert y.dtype == torch.bfloat16
            assert (y - exact).abs().max() < 0.05 * exact.abs().max()
