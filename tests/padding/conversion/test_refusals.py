"""What convert_padding refuses: the message names the layer, and the model stays as it was."""

import pytest
import timm
import torch
import torch.nn.functional as F
from timm.utils.model import reparameterize_model
from torch import nn
from torch.nn.utils import parametrize

from padding import PaddingError, convert_padding
from padding.conversion.layers import PaddedLayer


def refuses(model, message, scheme="partial"):
    with pytest.raises(PaddingError, match=message):
        convert_padding(model, scheme)
    assert not any(isinstance(module, PaddedLayer) for module in model.modules()), "the model was changed"


class Own(nn.Conv2d):
    def forward(self, x):
        return super().forward(x) * 2


class Inner(nn.Conv2d):
    def _conv_forward(self, x, weight, bias):
        return super()._conv_forward(x, 2 * weight, bias)


def with_layer(layer):
    return nn.Sequential(nn.Conv2d(1, 1, 3, padding=1), nn.Sequential(layer))


def patched():
    layer = nn.Conv2d(1, 1, 3, padding=1)
    layer.forward = lambda x: F.conv2d(x, layer.weight)
    return layer


@pytest.mark.parametrize(
    ("layer", "scheme", "message"),
    [
        *((lambda: Own(1, 1, 3, padding=1), scheme, "layer '1.0' .*register_conv") for scheme in ("partial", "zero")),
        (lambda: Inner(1, 1, 3, padding=1), "reflect", "layer '1.0' .*register_convolution"),
        (lambda: nn.LazyConv2d(1, 3, padding=1), "partial", "layer '1.0' .*run the model once"),
        (patched, "partial", "layer '1.0' has a forward of its own"),
    ],
)
def test_layers(layer, scheme, message):
    refuses(with_layer(layer()), message, scheme)


@pytest.mark.parametrize("kind", [Own, Inner])
def test_an_unpadded_subclass_may_pad_in_its_forward(kind):
    assert convert_padding(with_layer(kind(1, 1, 1)), "partial").unsupported == []
    assert convert_padding(with_layer(kind(1, 1, 3)), "partial").unsupported == ["1.0"]


def test_a_subclass_without_a_forward_is_converted():
    class Named(nn.Conv2d):
        pass

    model = with_layer(Named(1, 1, 3, padding=1))
    assert convert_padding(model, "partial").converted == ["0", "1.0"]
    assert isinstance(model[1][0], Named)


def test_a_name_is_no_model():
    with pytest.raises(PaddingError, match="the model is a str; give a torch"):
        convert_padding("resnet50", "partial")


def test_compiled_and_scripted_models():
    plain = with_layer(nn.ReLU())
    refuses(torch.compile(plain), "the model is compiled .*convert the inner module first")
    refuses(nn.Sequential(torch.compile(plain)), "layer '0' is compiled")
    refuses(nn.DataParallel(plain), "the model is wrapped by DataParallel")
    with pytest.warns(FutureWarning):
        scripted = torch.jit.script(with_layer(nn.ReLU()))
    refuses(nn.Sequential(scripted), "layer '0' is a ScriptModule")
    plain.compile()
    refuses(plain, "the model is compiled")


def test_a_class_changed_after_converting():
    model = with_layer(nn.ReLU())
    convert_padding(model, "partial")
    parametrize.register_parametrization(model[0], "weight", nn.Identity())
    with pytest.raises(PaddingError, match=r"layer '0' .*after it was converted"):
        convert_padding(model, "zero")


@pytest.mark.parametrize(
    "name",
    [
        "repvgg_a0",
        "mobileone_s1",
        "fastvit_t8",
        "repvit_m1",
        "repghostnet_050",
        "ghostnetv3_050",
        "lcnetv2_small",
        "iformer_t",
        "shvit_s1",
        "efficientvim_m1",
    ],
)
def test_fused_branches(name):
    model = timm.create_model(name).eval()
    model = model.fuse() if hasattr(model, "fuse") else reparameterize_model(model)
    refuses(model, "layer '.+' was fused from parallel branches")
    assert convert_padding(model, "reflect").converted, "reflection is exact on fused branches"


@pytest.mark.parametrize("name", ["levit_128s", "tiny_vit_5m_224", "efficientvit_m0"])
def test_batch_norm_fused_into_a_convolution_stays_exact(name):
    model = timm.create_model(name).eval()
    x = torch.randn(1, 3, 224, 224, dtype=torch.float64)
    fused = reparameterize_model(model).double()  # timm fuses into float32
    model.double()
    convert_padding(model, "partial")
    convert_padding(fused, "partial")
    with torch.no_grad():
        torch.testing.assert_close(fused(x), model(x), rtol=1e-4, atol=1e-4)
