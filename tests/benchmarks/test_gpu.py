"""The command for the day a GPU is there, rehearsed on the CPU; what is finished is kept; the order is balanced."""

import json
import os
import subprocess
import sys
import time
from collections import Counter
from itertools import accumulate

import pytest
import torch

from benchmarks.cifar10 import MEAN, SCHEMES, STD, balanced, crops, drawn, summary
from benchmarks.parts import Part, Setting, run_parts
from tests.support.program import ROOT


def test_rehearsal(tmp_path):
    """In a process of its own, as `make gpu` runs it: parts are forks, which a backward pass before would forbid."""
    options = ["--minutes=10", f"--output={tmp_path}", "--tests=tests/gpu/test_schemes.py::test_cuda_graph"]
    no_gpu = {**os.environ, "CUDA_VISIBLE_DEVICES": ""}
    subprocess.run([sys.executable, "-m", "benchmarks.gpu", *options], cwd=ROOT, env=no_gpu, check=True)
    states = {path.stem: json.loads(path.read_text())["state"] for path in tmp_path.glob("*.json")}
    assert {name for name, state in states.items() if state == "complete"} == {
        *("tests", "table1", "steps", "loop", "options", "masks", "memory", "cifar10")
    }
    assert {states[name] for name in ("graphs", "compiled")} == {"skipped: needs a CUDA GPU"}
    page = (tmp_path / "results.md").read_text()
    assert "Table 1, CUDA graphs (skipped: needs a CUDA GPU)" in page
    for word in (
        " --minutes=10 --output=",
        "test_cuda_graph[partial]",
        "CPU cores",
        f"torch {torch.__version__}",
        "commit ",
        "minus zero",
    ):
        assert word in page


@pytest.fixture
def setting(tmp_path):
    return Setting(torch.device("cpu"), tmp_path)


def test_a_finished_part_is_kept_whatever_becomes_of_the_others(setting, capfd):
    def good(setting):
        yield {"at": time.monotonic(), "_all": [1]}

    def bad(setting):
        yield {"at": 1}
        raise ValueError("out of | memory")

    def hangs(setting):
        yield {"at": 2}
        time.sleep(100)

    def dies(setting):
        yield {"at": 3}
        os._exit(7)

    found = [Part(each.__name__, each.__name__, each, 0.5) for each in (good, bad, dies)]
    found += [Part("hangs", "hangs", hangs, 0.05), Part("absent", "absent", bad, missing="no GPU")]
    assert run_parts(found, setting, 0.7) == 1
    read = {path.stem: json.loads(path.read_text()) for path in setting.folder.glob("*.json")}
    states = {name: content["state"] for name, content in read.items()}
    assert states["good"] == "complete"
    assert states["bad"] == "failed: ValueError: out of | memory"
    assert states["dies"].startswith("failed: the process ended with")
    assert states["hangs"] == "cut off: its time was over"
    assert states["absent"] == "skipped: no GPU"
    assert [read[name]["rows"] for name in ("bad", "dies", "hangs")] == [[{"at": 1}], [{"at": 3}], [{"at": 2}]]
    page = (setting.folder / "results.md").read_text()
    assert "_all" not in page
    run_parts(found[:1], setting, 0.5)
    assert json.loads((setting.folder / "good.json").read_text())["rows"] == read["good"]["rows"]


def test_every_beginning_of_the_order_is_balanced():
    order = [scheme for _, scheme in balanced(SCHEMES, 7)]
    for counts in accumulate(order, lambda seen, scheme: seen + Counter([scheme]), initial=Counter()):
        numbers = [counts[scheme] for scheme in SCHEMES]
        assert max(numbers) - min(numbers) <= 1
    assert sorted(balanced(SCHEMES, 7)) == sorted((seed, scheme) for seed in range(7) for scheme in SCHEMES)
    assert len({order[start] for start in range(0, 25, 5)}) == 5


def test_crops_are_pieces_of_their_images():
    images, _ = drawn(6, torch.device("cpu"))
    draw = torch.Generator().manual_seed(0)
    found = crops(images, torch.tensor([4, 1]), draw)
    again = crops(images, torch.tensor([4, 1]), torch.Generator().manual_seed(0))
    assert torch.equal(found, again)
    many = crops(images[:1].expand(64, -1, -1, -1), torch.arange(64), draw)
    assert len({each.numpy().tobytes() for each in many}) > 30  # of 50 places and flips
    mean, std = (torch.tensor(each).view(3, 1, 1) for each in (MEAN, STD))
    bytes_of = (found * std + mean).mul(255).round().to(torch.uint8)
    for crop, image in zip(bytes_of, images[[4, 1]], strict=True):
        windows = image.unfold(1, 28, 1).unfold(2, 28, 1).permute(1, 2, 0, 3, 4).flatten(0, 1)
        assert any(torch.equal(crop, each) or torch.equal(crop.flip(2), each) for each in windows)


def test_differences_are_of_seeds_that_both_have():
    scores = {"zero": (80.0, 82.5, 10.0), "partial": (81.0, 83.0)}
    done = [
        {"seed": seed, "scheme": scheme, "acc1": value}
        for scheme, values in scores.items()
        for seed, value in enumerate(values)
    ]
    zero, partial = summary(done)
    assert (zero["n"], partial["minus zero"].split()[0]) == (3, "+0.75")
