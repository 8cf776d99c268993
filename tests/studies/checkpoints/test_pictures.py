"""shift, sizes, position and probe on networks whose answer is known, and on two tiny runs."""

import json
import shutil
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch import nn

from cli.app import main
from padding import convert_padding
from records.checkpoint import MeasureRecord
from records.errors import UserError
from studies.checkpoints.pictures import CANVASES, Pictures
from studies.position import measure as position
from studies.position.table import unevenness
from studies.probe import measure as probe
from studies.probe.rings import curve
from studies.shift import measure as shift
from studies.sizes import measure as sizes


@dataclass
class Drawn:
    """Stands in for Pictures: `draw(side)` gives all images."""

    draw: object
    targets: list
    colour = Pictures.colour
    size: int = 14
    device: str = "cpu"
    mean: tuple = (0.5,) * 3
    std: tuple = (0.5,) * 3
    batch: int = 2

    def squares(self, side):
        images = self.draw(side)
        for start in range(0, len(images), self.batch):
            chosen = slice(start, start + self.batch)
            yield images[chosen], torch.tensor(self.targets[chosen])


def rows(side):
    """Four images whose pixels hold their row."""
    return torch.arange(side).float()[:, None].expand(4, 3, side, side)


def parity(images):
    """Class 1 where the first row of a crop is odd, with certainty 0.9."""
    chance = torch.where(images[:, 0, 0, 0] % 2 == 1, 0.9, 0.1)
    return torch.stack([1 - chance, chance], 1).log()


def test_a_network_that_reads_the_row_is_consistent_where_two_offsets_have_one_parity():
    assert shift.larger(224) == 288
    found = shift.measure(parity, Drawn(rows, [1, 1, 1, 0]), passes=6, seed=0)
    expected = []
    for number in range(4):
        offsets = np.random.default_rng((0, number)).integers(5, size=(6, 2, 2))
        expected.append([100.0 * (first % 2 == second % 2) for (first, _), (second, _) in offsets])
    assert found["consistency"] == pytest.approx(np.mean(expected, 0).tolist())
    assert len(set(found["consistency"])) > 1
    # Offsets 0 to 4 of a room of 4 in eight steps: 0 1 1 2 2 3 3 4.
    odd = [0, 1, 1, 0, 0, 1, 1, 0]
    assert found["top1"] == [75.0 if each else 25.0 for each in odd]
    assert found["p"] == pytest.approx([70.0 if each else 30.0 for each in odd])
    assert found["sd"] == pytest.approx([100 * np.std([0.9 if each else 0.1 for each in odd], ddof=1)])


def test_circular_shifts_change_nothing_for_a_circular_network():
    torch.manual_seed(0)
    images = torch.randn(64, 3, 18, 18)
    layers = [nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 8, 3, padding=1), nn.ReLU()]
    network = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 200, bias=False)).eval()
    drawn = Drawn(lambda side: images, [0] * 64)
    with torch.no_grad():
        zero = shift.measure(network, drawn, 5, 0)["circular"]
        convert_padding(network, "circular")
        assert shift.measure(network, drawn, 5, 0)["circular"] == [100.0] * 5
    assert min(zero) < 100


REFLECT = nn.Sequential(nn.Conv2d(1, 1, 3, padding=1))
convert_padding(REFLECT, "reflect")


@pytest.mark.parametrize("window", [nn.Conv2d(1, 1, 2), nn.MaxPool2d(2), nn.AvgPool2d(2), REFLECT])
def test_accuracy_at_each_size_is_of_the_centre_and_of_the_whole(window):
    """A map too small for the padding, a kernel or a pool costs its own size alone."""
    seen = []

    def network(images):
        seen.append((images.shape[-1], int(images[0, 0, 0, 0])))
        if images.shape[-1] == 7:
            window(torch.zeros(1, 1, 1, 1))
        return nn.functional.one_hot((images.shape[-1] > 14) * torch.ones(len(images)).long(), 2).float()

    found = sizes.measure(network, Drawn(rows, [0, 0, 0, 1]), [0.5, 1.0, 2.0])
    assert found == {"kept": [None, 75.0, 25.0], "rescaled": [None, 75.0, 25.0]}
    assert set(seen[: len(seen) // 2]) == {(7, 10), (14, 7), (28, 0)}, "cut from the middle of 28 rows"
    assert set(seen[len(seen) // 2 :]) == {(7, 0), (14, 0), (28, 0)}


def test_a_network_that_ends_for_other_reasons_is_not_too_small():
    def network(images):
        raise torch.OutOfMemoryError("out of memory")

    with pytest.raises(torch.OutOfMemoryError):
        sizes.measure(network, Drawn(rows, [0] * 4), [0.5, 1.0])


def test_a_planted_position_bias_is_found():
    """Right where the object lies in the left half; the canvas has the mean colour, 0."""

    def network(images):
        columns = (images.abs().sum((1, 2)) * torch.arange(images.shape[-1])).sum(1) / images.abs().sum((1, 2, 3))
        return nn.functional.one_hot((columns < 7).long(), 2).float()

    drawn = Drawn(lambda side: torch.ones(4, 3, side, side), [1, 1, 1, 0])
    found = np.array(position.measure(network, drawn, 5)["mean"]).reshape(5, 5)
    assert (found == np.array([75, 75, 75, 25, 25])).all(), "columns 0, 2, 5, 8, 10 of 14, four wide"
    assert unevenness(found)[:2] == (55, pytest.approx(600**0.5))
    for inner in (3, 2):
        assert unevenness(np.pad(np.full((inner, inner), 80.0), 1, constant_values=60))[2:] == (-20, -20)
    slope = np.arange(4.0)[:, None] + np.arange(4.0)
    assert unevenness(slope)[2:] == (0, 0), "the centre of an even grid is no cell"


def test_a_map_that_holds_its_position_is_read_and_one_without_is_not():
    """The readout of zeros around a constant knows the border; under replicate padding nothing differs anywhere."""
    torch.manual_seed(0)
    layers = [layer for _ in range(5) for layer in (nn.Conv2d(3, 3, 3, padding=1), nn.ReLU())]
    for layer in layers[::2]:
        nn.init.constant_(layer.weight, 1 / 27)
        nn.init.constant_(layer.bias, 0.1)
    drawn = Drawn(lambda side: torch.ones(8, 3, side, side), [0] * 8)
    with torch.no_grad():
        zero = probe.measure(nn.Sequential(*layers), drawn)
        network = nn.Sequential(*layers)
        convert_padding(network, "replicate")
        flat = probe.measure(network, drawn)
    # A window knows which of its sides is nearer to the border, and so left from right.
    assert min(zero[f"images {target}"][0] for target in probe.TARGETS) > 0.9
    wanted = probe.goals(14)[2]
    assert flat["images gaussian"] == [0, pytest.approx(float((wanted - wanted.mean()).abs().mean()), rel=0.01)]


def test_the_readout_is_of_the_images_alone_whatever_the_batch():
    torch.manual_seed(0)
    images, network = torch.randn(7, 3, 14, 14), nn.Sequential(nn.Conv2d(3, 2, 3, padding=1)).requires_grad_(False)
    one, three, all_ = (probe.measure(network, Drawn(lambda side: images, [0] * 7, batch=batch)) for batch in (1, 3, 7))
    assert one.keys() == three.keys() == all_.keys()
    for name, values in all_.items():
        assert [one[name], three[name]] == [pytest.approx(values, rel=1e-3)] * 2, name
    with pytest.raises(UserError, match="needs two images"):
        probe.measure(network, Drawn(lambda side: images[:1], [0]))


@pytest.mark.parametrize(("layers", "read"), [(17, [0, 4, 8, 12, 16]), (6, [0, 1, 2, 4, 5]), (2, [0, 1]), (1, [0])])
def test_the_stages_reach_from_the_first_layer_to_the_last(layers, read):
    assert probe.stages([*range(layers)]) == read


def test_planted_coordinates_are_read_exactly():
    columns = torch.linspace(0, 1, 14).expand(14, 14)
    drawn = Drawn(lambda side: torch.stack([columns.T, columns, columns * 0]).expand(8, 3, side, side), [0] * 8)
    network = nn.Sequential(nn.Conv2d(3, 3, 3, padding=1))
    nn.init.dirac_(network[0].weight)
    with torch.no_grad():
        found = probe.measure(network, drawn)
    for name in ("horizontal", "vertical"):
        assert found[f"images {name}"] == [pytest.approx(1, abs=1e-3), pytest.approx(0, abs=0.01)]
    assert abs(found["black horizontal"][0]) < 0.5


def test_rings_of_an_average_of_constant_images():
    """Values 1 and 3, whose mean is 2 and variance 1; the 3x3 mean keeps 2/3 of them at an edge, 4/9 in a corner."""
    images = torch.tensor([1.0, 3.0])[:, None, None, None].expand(2, 3, 14, 14)
    network = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4)).eval()
    nn.init.constant_(network[0].weight, 1 / 27)
    with torch.no_grad():
        zero = probe.rings(network, Drawn(lambda side: images, [0, 0], batch=1))
        convert_padding(network, "replicate")
        flat = probe.rings(network, Drawn(lambda side: images, [0, 0]))
        still = probe.rings(network, Drawn(lambda side: images[:1], [0]))
    share = np.array([2 / 3] * 48 + [4 / 9] * 4)
    assert zero["shift 1"] == pytest.approx([2 - 2 * share.mean()] + [0] * 6, abs=1e-6)
    assert zero["variance 1"] == pytest.approx([5 * (share**2).mean() - 4 * share.mean() ** 2] + [1] * 6)
    assert flat["shift 1"] == pytest.approx([0] * 7, abs=1e-6)
    assert flat["variance 1"] == pytest.approx([1] * 7)
    assert still["shift 1"] == still["variance 1"] == [None] * 7, "nothing varies"


def test_a_run_without_variance_in_a_layer_leaves_that_of_the_others():
    """A run that diverged has no statistics: the figure is of the rest."""
    whole, diverged = (
        MeasureRecord(*["best.ckpt", 1, 2, "net", "zero", "zero", "32-true", {}], "rings", {}, 1, values)
        for values in ({"shift a": [1.0], "shift b": [3.0]}, {"shift a": [2.0], "shift b": [None]})
    )
    assert curve([whole, diverged], "shift") == [1.5, 3.0]


def test_the_canvas_is_black_white_or_the_mean():
    drawn = Drawn(None, [], mean=(0.25,) * 3, std=(0.5,) * 3)
    values = [float(drawn.colour(name)[0]) for name in CANVASES]
    assert values == [-0.5, 1.5, 0]


@pytest.mark.parametrize("study", ["shift", "sizes", "position", "probe"])
def test_records_are_kept_and_the_same_command_measures_nothing(study, trained_pair, tmp_path, capsys):
    runs = shutil.copytree(trained_pair, tmp_path / "runs")
    assert main([study, str(runs), "--count", "6"]) == 0
    assert f"{study} of 6 images" in capsys.readouterr().out
    names = {"probe": ["probe", "rings"]}.get(study, [study])
    written = {f"{name}.{end}" for name in names for end in ("csv", "md", "svg")}
    assert {file.name for file in (runs / "report").iterdir()} == written
    files = {file: file.read_bytes() for file in runs.rglob(f"evaluations/*{study}*.json")}
    assert len(files) == 2
    assert {json.loads(each)["images"] for each in files.values()} == {6}
    assert main([study, str(runs), "--count", "6"]) == 0
    assert f"{study} of 6" not in capsys.readouterr().out
    assert {file: file.read_bytes() for file in runs.rglob(f"evaluations/*{study}*.json")} == files
    assert main([study, str(runs), "--count", "5"]) == 0
    assert f"{study} of 5 images" in capsys.readouterr().out
