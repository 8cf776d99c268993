"""Every shipped configuration parses, and trains a step on the sample data."""

import pytest
import yaml

from cli.dashboard import PROJECT
from cli.sweep_file import read_sweep
from cli.training import parse
from tests.support.program import ROOT, main_here

CONFIGS = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "configs").rglob("*.yaml"))
SWEEPS = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "sweeps").glob("*.yaml"))

# What a machine with 8 GPUs and the whole data has, and this one has not.
HERE = ["--trainer.accelerator=cpu", "--trainer.devices=1", "--data.num_workers=0", "--data.batch_size=4"]
SMALL = {
    "ImageNetDataModule": [
        "--data.image_size=32",
        "--data.eval_resize=32",
        "--data.images_per_class=2",
        "--model.num_classes=10",
        "--data.val_from_train=0",
    ],
    "CityscapesDataModule": ["--data.crop_size=32", "--data.tile_size=64", "--trainer.limit_val_batches=1"],
}


@pytest.fixture(autouse=True)
def _in_the_repository(monkeypatch):
    monkeypatch.chdir(ROOT)


def data_class(path: str) -> str:
    return yaml.safe_load((ROOT / path).read_text())["data"]["class_path"].rpartition(".")[2]


def test_there_are_configurations_of_the_papers_networks():
    names = [path.removeprefix("configs/").removesuffix(".yaml") for path in CONFIGS]
    assert [name for name in names if name.startswith("imagenet/")] == [
        f"imagenet/{name}" for name in ("resnet101", "resnet152", "resnet50", "vgg16_bn", "vgg19_bn")
    ]
    assert [name for name in names if name.startswith("cityscapes/")] == [
        "cityscapes/resnet50",
        "cityscapes/wide_resnet38",
    ]


@pytest.mark.parametrize("path", CONFIGS)
def test_it_parses(path):
    config = parse(["fit", f"--config={path}"])
    model, data = config["model"]["init_args"], config["data"]["init_args"]
    assert model["padding"] == "zero"
    if "imagenet/" in path:
        assert (config["trainer"]["devices"], config["trainer"]["strategy"]) == (8, "ddp")
        assert config["trainer"]["max_epochs"] == 100
        assert data["batch_size"] == 256
        assert model["milestones"] == [30, 60, 90]
    if "cityscapes/" in path:
        assert (config["trainer"]["devices"], config["trainer"]["strategy"]) == (8, "ddp")
        assert config["trainer"]["max_steps"] == 31_000
        # The epochs must not end before the steps do: 2,820 images are the fewest, of split 2.
        assert config["trainer"]["max_epochs"] * (2820 // data["batch_size"]) >= 31_000
        lr, crop = {"resnet50": (0.03, 896), "wide_resnet38": (0.01, 736)}[model["encoder"]]
        assert (model["lr"], data["crop_size"]) == (lr, crop)
        assert (model["momentum"], model["weight_decay"], data["batch_size"]) == (0.9, 1e-4, 16)
        assert (model["output_stride"], model["encoder_weights"]) == (8, None)


@pytest.mark.parametrize("path", CONFIGS)
def test_it_trains_a_step(path, sample_tree, sample_streets, tmp_path, capfd):
    kind = data_class(path)
    root = sample_streets if kind == "CityscapesDataModule" else sample_tree
    arguments = ["fit", f"--config={path}", f"--data.root={root}", f"--run.root={tmp_path}", *HERE, *SMALL[kind]]
    status = main_here(*arguments, "--trainer.fast_dev_run=true", "--model.padding=partial")
    assert status == 0, capfd.readouterr().err
    assert not list(tmp_path.glob("*/run.json")), "a trial must leave no run behind"


@pytest.mark.parametrize("path", SWEEPS)
def test_every_point_of_a_sweep_is_a_configuration(path):
    points = read_sweep(path).points()
    last_seed = points[-1].values["seed_everything"]
    # The seed is a number like any other: half a second a point is saved.
    for point in (point for point in points if point.values["seed_everything"] == last_seed):
        config = parse(list(point.arguments))
        for name, value in point.values.items():
            if name.startswith(("model.", "data.")):
                kind, option = name.split(".")
                assert config[kind]["init_args"][option] == value
        assert config["seed_everything"] == point.values["seed_everything"]


@pytest.mark.parametrize("path", SWEEPS)
def test_a_sweep_is_in_the_project_of_single_runs(path):
    """Without `project:` W&B would name it after the folder that the repository was cloned into."""
    assert yaml.safe_load((ROOT / path).read_text())["project"] == PROJECT


def test_the_sweep_of_table_5_has_its_runs():
    points = [point.values for point in read_sweep("sweeps/cityscapes.yaml").points()]
    assert len(points) == 2 * 2 * 2 * 3
    assert len({tuple(point.items()) for point in points}) == 24


def test_an_option_wins_over_a_file_wherever_it_stands():
    options = ["--seed_everything=3", "--model.padding=partial"]
    for arguments in (
        ["--config", "configs/demo/demo.yaml", *options],
        [*options, "--config=configs/demo/demo.yaml"],
        [options[0], "--config", "configs/demo/demo.yaml", options[1]],
    ):
        config = parse(["fit", *arguments])
        assert (config["seed_everything"], config["model"]["init_args"]["padding"]) == (3, "partial")
