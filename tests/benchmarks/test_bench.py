"""The tables of `make bench` at tiny size: what stands in them; and the program works on what is made up for it."""

import pytest
import torch

from benchmarks import __main__ as bench
from benchmarks import program
from benchmarks.parts import Setting
from benchmarks.training import loops
from padding import available_schemes, reweight
from tests.support.program import main_here


@pytest.fixture
def setting(tmp_path):
    return Setting(torch.device("cpu"), tmp_path, tiny=True)


def test_rows_of_networks_and_of_a_layer(setting):
    rows = list(bench.networks_rows(setting))
    assert [row["scheme"] for row in rows] == ["partial", "reflect", "replicate", "circular"]
    layers = list(bench.layer_rows(setting))
    assert [row["scheme"] for row in layers] == [*available_schemes()[1:], "zero,circular"]
    for row in rows + layers:
        assert {len(seconds) for seconds in row["_seconds"].values()} == {row["n"]}


def test_partial_padding_strengthens_the_border_and_keeps_no_padded_copy(setting):
    """By hand: a border window has fewer taps, scaled up, so its variance grows; a copy of a map takes memory."""
    rows = {row["scheme"]: row for row in bench.border_rows(setting)}
    zero, partial, reflect = ([*rows[scheme].values()][2:] for scheme in ("zero", "partial", "reflect"))
    assert float(zero[0].split()[0]) < 0.8 < 1.2 < float(partial[0].split()[0])
    assert zero[1] == partial[1] < reflect[1]


def test_first_calls_find_no_ratio(setting):
    prepare = bench.first_call(torch.nn.Sequential(torch.nn.Conv2d(3, 2, 3, padding=1)), 8)
    for _ in range(2):
        step = prepare("partial")
        assert not reweight._CACHE._frames
        step()


def test_our_loop_trains_as_often_as_the_others(setting):
    plain, null, timm = loops(setting, "tiny_resnet10", 24, 4, rounds=2, steps=2)
    assert [row["ours against"] for row in (plain, timm)] == ["plain", "timm"]
    assert plain["ms an epoch's end"] > 0
    assert len(plain["_seconds"]) == len(null["_seconds"]) == len(timm["_seconds"]) == 2


def test_the_program_works_on_what_is_made_up(tmp_path, capsys):
    program.make_runs(tmp_path / "runs", 25, 3)
    assert main_here("report", str(tmp_path / "runs")) == 0
    assert "25 finished runs of 5 architectures" in capsys.readouterr().out
    assert main_here("sweep", str(program.make_sweep(tmp_path / "sweep.yaml", 30)), "--plan") == 0
    assert "30 runs: 30 not started" in capsys.readouterr().out


def test_a_command_is_measured_and_must_end_as_it_should():
    row = program.measure("help", ["--help"], 2, limit=60)
    assert row["met"]
    assert 0 < row["CPU s"] < 60
    assert not program.measure("help", ["--help"], 1, limit=0)["met"]
    with pytest.raises(RuntimeError, match="ended with 2, not 0"):
        program.measure("unknown", ["nonsense"], 1, limit=1)
