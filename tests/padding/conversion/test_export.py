"""Exported and in ONNX Runtime: what eager gives, at sizes that were not seen at export."""

import logging

import onnxruntime
import pytest
import torch

from padding import PaddingError, ReflectConv2d, convert_padding
from tests.support.padded_nets import SMALL_NETS, build, error, images, sizes, whole_network
from tests.support.without_padding import run_saved

AUTO = torch.export.Dim.AUTO
SCHEMES = ("partial", "reflect", "replicate", "circular")

# torch's own shape guards refuse TensorFlow's SAME under circular padding.
EXPORTED = [
    (net, scheme) for net in SMALL_NETS for scheme in SCHEMES if not (scheme == "circular" and "tensorflow" in net)
]
# An export to ONNX takes seconds: partial padding, whose ratio has to follow the size, on all kinds, others on one.
IN_ONNX = [(net, "partial") for net in SMALL_NETS if net != "tensorflow same, scaled"]
IN_ONNX += [("2d", scheme) for scheme in SCHEMES[1:]]


@pytest.fixture(autouse=True)
def _quiet():
    """The exporter writes its progress to a log, and warns of a torch function of its own."""
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)


def dynamic(axes, batch=True):
    """The spatial axes of an input (N, C, *sizes) with sizes left open, and its batch."""
    open_axes = dict.fromkeys(range(2, 2 + axes), AUTO)
    return ({0: AUTO, **open_axes} if batch else open_axes,)


def in_onnx_runtime(net, x, dynamic_shapes):
    """The network as ONNX Runtime's function of a tensor."""
    program = torch.onnx.export(net, (x,), dynamo=True, dynamic_shapes=dynamic_shapes, verbose=False)
    session = onnxruntime.InferenceSession(program.model_proto.SerializeToString(), providers=["CPUExecutionProvider"])
    (name,) = [each.name for each in session.get_inputs()]
    return lambda x: torch.from_numpy(session.run(None, {name: x.numpy()})[0])


@pytest.mark.parametrize(
    ("name", "scheme", "strict"),
    [(*each, False) for each in EXPORTED] + [("2d", "partial", True), ("2d", "reflect", True)],
)
@torch.no_grad()
def test_an_exported_network_serves_every_size(name, scheme, strict):
    net = build(name)
    convert_padding(net, scheme)
    first, *later = sizes(name)
    program = torch.export.export(net, (images(2, first),), dynamic_shapes=dynamic(len(first)), strict=strict)
    for size in later:
        x = images(3, size)
        assert error(program.module()(x), net(x)) < 1e-5, size


@pytest.mark.parametrize(("name", "scheme"), IN_ONNX)
@pytest.mark.filterwarnings("ignore")
@torch.no_grad()
def test_onnx_runtime_gives_the_same_at_every_size(name, scheme):
    net = build(name)
    convert_padding(net, scheme)
    first, *later = sizes(name)
    batch = name != "conditional"  # its batch is a number of groups, which ONNX keeps as a constant
    run = in_onnx_runtime(net, images(2, first), dynamic(len(first), batch))
    for size in later:
        x = images(3 if batch else 2, size)
        assert error(run(x), net(x)) < 1e-5, size


WHOLE = [
    pytest.param("test_resnet", "partial", (64, 96), ((97, 66), (130, 33), (32, 32)), id="test_resnet-partial"),
    *(
        pytest.param(name, scheme, first, later, id=f"{name}-{scheme}", marks=pytest.mark.slow)
        for name, scheme, first, later in (
            ("test_resnet", "reflect", (64, 96), ((97, 66), (130, 34))),
            ("test_nfnet", "partial", (64, 96), ((97, 66), (130, 33))),
            ("test_efficientnet", "partial", (64, 96), ((97, 66), (130, 33))),
            ("resnetblur18", "partial", (64, 96), ((97, 66), (130, 33))),
            ("resnet50", "partial", (64, 96), ((97, 66), (224, 224))),
            ("vgg16_bn", "partial", (224, 224), ((240, 257),)),
        )
    ),
]


@pytest.mark.parametrize(("name", "scheme", "first", "later"), WHOLE)
@pytest.mark.filterwarnings("ignore")
@torch.no_grad()
def test_whole_networks_in_onnx_runtime(name, scheme, first, later):
    model = whole_network(name, scheme)
    run = in_onnx_runtime(model, images(2, first), dynamic(2))
    for size in later:
        x = images(1, size)
        assert error(run(x), model(x)) < 1e-5, size


@pytest.mark.filterwarnings("ignore")
@torch.no_grad()
def test_a_map_too_small_to_reflect_is_refused_everywhere():
    layer = ReflectConv2d(3, 1, 7, padding=3)
    x = images(2, (8, 9))
    exported = torch.export.export(layer, (x,), dynamic_shapes=dynamic(2)).module()
    run = in_onnx_runtime(layer, x, dynamic(2))
    small = images(2, (3, 9))
    with pytest.raises(PaddingError):
        layer(small)
    with pytest.raises(AssertionError, match="Guard failed"):
        exported(small)
    with pytest.raises(Exception, match="Pad reflect"):
        run(small)


@torch.no_grad()
def test_a_saved_program_needs_nothing_of_this_package(tmp_path):
    net = build("2d")
    convert_padding(net, "partial")
    first, *_, last = sizes("2d")
    torch.export.save(torch.export.export(net, (images(2, first),), dynamic_shapes=dynamic(2)), tmp_path / "net.pt2")
    x = images(3, last)
    assert error(run_saved(tmp_path, "torch.export.load('net.pt2').module()", x), net(x)) < 1e-5
