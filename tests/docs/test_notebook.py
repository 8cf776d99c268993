"""notebooks/padding.ipynb runs from its first cell to its last, without Jupyter, and shows what its text says."""

import json

import matplotlib.pyplot as plt

from tests.support.program import ROOT


def test_the_notebook_runs_and_its_text_is_true(monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    notebook = json.loads((ROOT / "notebooks/padding.ipynb").read_text())
    cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in cells)
    names = {}
    try:
        for cell in cells:
            exec("".join(cell["source"]), names)
    finally:
        plt.close("all")
    assert "back under zero by 0.0" in capsys.readouterr().out
    # Zeros leave the corners out, the copied edge weighs more than the pixels within.
    assert names["corners"]["zero"] < 0.1 < names["corners"]["circular"] < 1 < names["corners"]["replicate"]
    assert set(names["errors"]) == set(names["SCHEMES"])
    # Four 3x3 convolutions of stride 4 behind the stem: the border reaches six positions, fainter by each.
    for by_ring in names["errors"].values():
        assert by_ring[0] > by_ring[2] > by_ring[4] > by_ring[7]
        assert by_ring[7] < 1e-9
