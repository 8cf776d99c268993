"""Schemes by patterns of names, for the time of a block, and of layers built with a padding_mode."""

import copy
import json
import pickle

import pytest
import torch
from torch import nn

from padding import PaddingError, convert_padding, padded
from padding.conversion.choice import choose

X = torch.randn(2, 3, 9, 10)


def net(**modes):
    torch.manual_seed(0)
    return nn.ModuleDict(
        {
            "stem": nn.Conv2d(3, 4, 3, padding=1, padding_mode=modes.get("stem", "zeros")),
            "body": nn.Sequential(nn.Conv2d(4, 4, 3, padding=1), nn.ZeroPad2d(2), nn.Conv2d(4, 4, 5)),
            "head": nn.Conv2d(4, 2, 3, padding=1, padding_mode=modes.get("head", "zeros")),
        }
    )


def run(model):
    return model["head"](model["body"](model["stem"](X)))


def kinds(model):
    return [type(module).__name__ for module in model.modules() if not list(module.children())]


def test_the_first_pattern_that_fits_counts():
    model = net()
    plain = run(model)
    report = convert_padding(model, {"stem*": "zero", "body.2": "lp1", "*": "partial"})
    assert kinds(model) == ["Conv2d", "PartialConv2d", "DeferredZeroPad2d", "Lp1Conv2d", "PartialConv2d"]
    assert report.scheme == "stem*=zero;body.2=lp1;*=partial"
    named = {"stem": "zero", "body.0": "partial", "body.1": "lp1", "body.2": "lp1", "head": "partial"}
    assert json.loads(json.dumps(report.to_dict()))["schemes"] == named
    assert "'lp1': 1 ZeroPad2d, 1 Conv2d: body.1, body.2" in str(report)
    y = run(model)
    with_example = convert_padding(
        nn.Sequential(*model.values()), {"0": "zero", "1.2": "lp1", "*": "partial"}, example=X
    )
    assert with_example.unsupported == [], "zeros that were asked for"
    # Its name is as good as the mapping, and what it did is undone by any other scheme.
    other = net()
    convert_padding(other, report.scheme)
    assert torch.equal(run(other), y)
    assert torch.equal(run(pickle.loads(pickle.dumps(other))), y)
    convert_padding(model, {"head": "reflect"})
    assert kinds(model) == ["Conv2d", "Conv2d", "ZeroPad2d", "Conv2d", "ReflectConv2d"]
    convert_padding(model, "zero")
    assert torch.equal(run(model), plain)


@pytest.mark.parametrize(
    ("mapping", "message"),
    [
        ({"layer9*": "partial"}, r"pattern 'layer9\*' names no padded layer; there are stem, body.0, body.1, .*head"),
        ({"*": "zero", "stem": "mirror"}, "unknown padding scheme 'mirror'"),
        ({}, "there is none"),
        ({"a;b": "zero"}, "must be a layer's name and a scheme's name"),
        ({"stem": 3}, "must be a layer's name and a scheme's name"),
        ("stem=zero;head", "say PATTERN=SCHEME;PATTERN=SCHEME"),
        ("stem=zero;stem=partial", "each pattern once"),
        ({"head": "zero,circular,zero"}, r"layer 'head' \(Conv2d\) has 2 axes, and 'zero,circular,zero' names 3"),
    ],
)
def test_refusals(mapping, message):
    model = net()
    with pytest.raises(PaddingError, match=message):
        convert_padding(model, mapping)
    assert kinds(model) == kinds(net())


def test_a_choice_is_known_by_its_name():
    mapping = {"stem*": "zero", "body": "extrapolate:02", "*": "zero,zero"}
    assert choose(mapping).name == "stem*=zero;body=extrapolate:2;*=zero"
    assert choose(choose(mapping).name) == choose(mapping)
    assert choose("reflect,reflect").name == "reflect"


def test_a_block_restores_whatever_happens():
    model = net(stem="reflect")
    convert_padding(model, {"body*": "constant"})
    nn.init.normal_(model["body"][0].padding_learned)
    before, state = run(model), copy.deepcopy(model.state_dict())
    attributes = [set(module.__dict__) for module in model.modules()]
    assert "built_padding_mode" not in set.union(*attributes)
    with padded(model, "circular") as report:
        assert set(report.converted) == {"stem", "body.0", "body.1", "body.2", "head"}
        inside = run(model)
        model["head"].seen = True  # what is done within the block stays
    assert model["head"].seen
    assert not torch.equal(inside, before)
    with pytest.raises(KeyError), padded(model, "partial"):
        raise KeyError
    with pytest.raises(PaddingError), padded(model, "mirror"):
        pass
    assert torch.equal(run(model), before)
    del model["head"].seen
    before_run = [set(module.__dict__) - {"_recent_call"} for module in model.modules()]
    assert before_run == [each - {"_recent_call"} for each in attributes]
    model.load_state_dict(state, strict=True)


@pytest.mark.parametrize("mode", ["reflect", "replicate", "circular"])
def test_a_padding_mode_is_a_scheme(mode):
    built, same = net(stem=mode, head=mode), net()
    before = run(built)
    report = convert_padding(built, mode)
    assert report.converted == ["stem", "body.0", "body.1", "body.2", "head"]
    assert type(built["stem"]) is nn.Conv2d, "torch's own layer does it"
    for scheme in ("partial", "zero", "constant", mode, "lp1", mode):
        convert_padding(built, scheme)
        convert_padding(same, scheme)
        for model in (built, pickle.loads(pickle.dumps(built))):
            assert torch.equal(run(model), run(same)), scheme
    convert_padding(built, {"body*": "zero"})
    assert torch.equal(run(built), before), "what no pattern names is as it was built"
    left = [set(module.__dict__) - {"_recent_call"} for module in built.modules()]
    assert left == [set(module.__dict__) for module in net().modules()]
