import pytest
import torch

import padding.reweight


@pytest.fixture(autouse=True)
def _reproducible():
    torch.manual_seed(0)


@pytest.fixture(params=["whole map", "row by row"])
def path(request, monkeypatch):
    """Both ways of correcting the border, whatever the size of the map."""
    limit = {"cpu": -1 if request.param == "row by row" else 1 << 60}
    monkeypatch.setattr(padding.reweight, "_PASS_UP_TO", limit)
    monkeypatch.setattr(padding.reweight, "_PASS_UP_TO_STRIDED", limit)
