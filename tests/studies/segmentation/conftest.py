"""The collection of segmentation runs."""

import pytest

from studies.runs.collect import collect


@pytest.fixture
def collection(tmp_path):
    return lambda: collect(tmp_path / "runs", "val/miou")
