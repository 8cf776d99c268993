"""Every shipped configuration parses, and trains a step on the sample data."""

import itertools
from pathlib import Path

import pytest
import yaml

from cli.sweep.file import read_sweep
from cli.sweep.resolver import Resolver
from tests.support.program import ROOT, main_here
from training.identity import identify
from training.loggers import PROJECT
from training.program import parse

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


def is_modern(path: str) -> bool:
    """Whether a file has another recipe than the paper's on purpose."""
    return path.endswith("_modern.yaml")


def test_there_are_configurations_of_the_papers_networks():
    names = [path.removeprefix("configs/").removesuffix(".yaml") for path in CONFIGS]
    assert [name for name in names if name.startswith("imagenet/")] == [
        f"imagenet/{name}" for name in ("resnet101", "resnet152", "resnet50", "resnet50_modern", "vgg16_bn", "vgg19_bn")
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
    if "imagenet/" in path and not is_modern(path):
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


def differs_in_its_network(path: str) -> bool:
    """Whether a file sets nothing else than resnet50.yaml of its folder but the network and the sizes that suit it."""
    of_the_paper = path.startswith(("configs/imagenet", "configs/cityscapes")) and not is_modern(path)
    return of_the_paper and not path.endswith("resnet50.yaml")


@pytest.mark.parametrize("path", filter(differs_in_its_network, CONFIGS))
def test_it_differs_in_its_network_alone(path):
    own, other = (yaml.safe_load((ROOT / file).read_text()) for file in (path, Path(path).with_name("resnet50.yaml")))
    for config in (own, other):
        for name in ("network", "encoder", "lr"):
            config["model"]["init_args"].pop(name, None)
        config["data"]["init_args"].pop("crop_size", None)
    assert own == other


@pytest.mark.parametrize(
    "path", [pytest.param(path, marks=[pytest.mark.slow] * differs_in_its_network(path)) for path in CONFIGS]
)
def test_it_trains_a_step(path, sample_tree, sample_streets, tmp_path, capfd):
    kind = data_class(path)
    root = sample_streets if kind == "CityscapesDataModule" else sample_tree
    arguments = ["fit", f"--config={path}", f"--data.root={root}", f"--run.root={tmp_path}", *HERE, *SMALL[kind]]
    status = main_here(*arguments, "--trainer.fast_dev_run=true", "--model.padding=partial")
    assert status == 0, capfd.readouterr().err
    assert not list(tmp_path.glob("*/run.json")), "a trial must leave no run behind"


SCHEMES = [
    *("zero", "partial", "partial_sqrt", "reflect", "replicate", "circular", "zero,circular", "mean", "noise"),
    *("random_side", "extrapolate:2", "lp1", "mean_interp", "mean_reflect", "constant", "explicit", "pad_channel"),
]
FOUR, TWO = ["zero", "partial", "reflect", "replicate"], ["zero", "partial"]

GRIDS = {
    "camvid_laptop": (["tiny_resnet10"], TWO, 2),
    "cifar10": (["cifar_resnet18", "cifar_vgg16_bn"], FOUR, 5),
    "cifar10_laptop": (["cifar_resnet10", "cifar_vgg8_bn"], FOUR, 3),
    "cityscapes": ([f"{name}-split{k}" for name in ("resnet50", "wide_resnet38") for k in (0, 2)], TWO, 3),
    "demo": (["tiny_resnet10", "tiny_vgg7_bn"], TWO, 3),
    "demo_segmentation": (["tiny_resnet10-split0"], TWO, 3),
    "schemes_cifar10": (["cifar_resnet10"], SCHEMES, 3),
    "imagenet": (["vgg16_bn", "vgg19_bn", "resnet50", "resnet101", "resnet152"], FOUR, 5),
}
"""What each sweep compares: its networks (with the split of the data), its schemes, its number of seeds."""


@pytest.mark.parametrize("path", SWEEPS)
def test_the_points_of_a_sweep_are_whole_valid_and_different_with_seeds_slowest(path):
    networks, paddings, seeds = GRIDS[path.removeprefix("sweeps/").removesuffix(".yaml")]
    # Without `project:` W&B would name it after the folder that the repository was cloned into.
    assert yaml.safe_load((ROOT / path).read_text())["project"] == PROJECT
    points = read_sweep(ROOT / path).points
    size = len(networks) * len(paddings)
    assert len(points) == size * seeds
    # The other seeds repeat the first block: seeds are in a run's digest (training/test_identity.py), and a third of a
    # second a point is saved.
    first = points[:size]
    for seed in range(seeds):
        block = points[seed * size : (seed + 1) * size]
        assert [point.values for point in block] == [{**point.values, "seed_everything": seed} for point in first]
    # Each network once, and the first with every scheme.
    few = {at: identify(parse_point(first[at]))[1] for at in (*range(0, size, len(paddings)), *range(len(paddings)))}
    pairs = list(itertools.product(networks, paddings))
    assert all((record.compared_as, record.padding) == pairs[at] for at, record in few.items())
    assert len({record.digest for record in few.values()}) == len(few)


def parse_point(point) -> dict:
    """The point's configuration, which holds the point's values."""
    config = parse(list(point.arguments))
    for name, value in point.values.items():
        if name.startswith(("model.", "data.")):
            kind, option = name.split(".")
            assert config[kind]["init_args"][option] == value
    return config


def test_an_option_wins_over_a_file_wherever_it_stands():
    options = ["--seed_everything=3", "--model.padding=partial"]
    for arguments in (
        ["--config", "configs/demo/demo.yaml", *options],
        [*options, "--config=configs/demo/demo.yaml"],
        [options[0], "--config", "configs/demo/demo.yaml", options[1]],
    ):
        config = parse(["fit", *arguments])
        assert (config["seed_everything"], config["model"]["init_args"]["padding"]) == (3, "partial")


def test_a_class_that_is_chosen_brings_its_own_defaults(capsys):
    """Also in what --print_config prints, for a configuration of one's own."""
    resolver, scenes = Resolver(), ["--model=SegmentationModule", "--data=CityscapesDataModule"]
    for chosen, lr, batch in ((scenes, 0.03, 16), ([], 0.1, 256), (scenes[1:], 0.1, 16)):
        config = resolver.config(["fit", "--data.root=x", *chosen])
        assert (config["model.init_args.lr"], config["data.init_args.batch_size"]) == (lr, batch)
    with pytest.raises(SystemExit):
        main_here("fit", "--data.root=x", *scenes, "--print_config")
    assert "lr: 0.03\n" in capsys.readouterr().out
