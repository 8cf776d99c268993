"""Every model name of timm converts to every scheme and back, on the meta device: no memory, no arithmetic."""

import warnings

import pytest
import timm
import torch
from torch import nn

from padding import available_schemes, convert_padding

MODELS_WITHOUT_PADDED_CONVOLUTION = 371  # of 1371, timm 1.0.31


@pytest.mark.slow
def test_every_model_name_converts():
    # Without those that this suite registers, where another test has imported them.
    names = [name for name in timm.list_models() if timm.model_entrypoint(name).__module__.startswith("timm.")]
    failures, unchanged = {}, 0
    for name in names:
        try:
            unchanged += not converts(name)
        except Exception as error:  # all failures in one list
            failures[name] = repr(error)
    assert not failures
    if timm.__version__ == "1.0.31":
        assert (len(names), unchanged) == (1371, MODELS_WITHOUT_PADDED_CONVOLUTION)


def converts(name):
    with torch.device("meta"):
        model = timm.create_model(name)
    classes = [type(module) for module in model.modules()]
    keys = list(model.state_dict())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        reports = [convert_padding(model, scheme) for scheme in available_schemes()]
        convert_padding(model, "zero")
    modules = dict(model.named_modules())
    convolutions = [
        tuple(each for each in report.converted if not isinstance(modules[each], nn.ConvTranspose2d))
        for report in reports
    ]
    assert len(set(convolutions)) == 1, "transposed ones are converted by partial alone"
    assert [type(module) for module in model.modules()] == classes
    assert list(model.state_dict()) == keys
    return bool(reports[0].converted)
