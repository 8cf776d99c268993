"""Every public name of the packages that others import has an example; pytest runs them as doctests."""

import pytest
from torch import nn

import evaluation
import padding

TORCH_S_OWN = (nn.Conv1d, nn.Conv2d, nn.Conv3d)


@pytest.mark.parametrize("package", [padding, evaluation], ids=lambda package: package.__name__)
def test_every_public_name_has_an_example(package):
    public = {name: getattr(package, name) for name in package.__all__}
    without = [name for name, each in public.items() if each not in TORCH_S_OWN and ">>>" not in (each.__doc__ or "")]
    assert not without
