"""Every shipped configuration parses, and trains a step on the sample data."""

import pytest

from cli.training import parse
from tests.support.program import ROOT, main_here

CONFIGS = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "configs").rglob("*.yaml"))

# What a machine with 8 GPUs and all of ImageNet has, and this one has not.
HERE = ["--trainer.accelerator=cpu", "--trainer.devices=1", "--data.num_workers=0", "--data.batch_size=4"]
SMALL = ["--data.image_size=32", "--data.eval_resize=32", "--data.images_per_class=2", "--model.num_classes=10"]


@pytest.fixture(autouse=True)
def _in_the_repository(monkeypatch):
    monkeypatch.chdir(ROOT)


def test_there_are_configurations_of_the_papers_networks():
    names = [path.split("/")[-1].removesuffix(".yaml") for path in CONFIGS if "imagenet/" in path]
    assert names == ["resnet101", "resnet152", "resnet50", "vgg16_bn", "vgg19_bn"]


@pytest.mark.parametrize("path", CONFIGS)
def test_it_parses(path):
    config = parse(["fit", f"--config={path}"])
    assert config["model"]["init_args"]["padding"] == "zero"
    if "imagenet/" in path:
        assert (config["trainer"]["devices"], config["trainer"]["strategy"]) == (8, "ddp")
        assert config["trainer"]["max_epochs"] == 100
        assert config["data"]["init_args"]["batch_size"] == 256
        assert config["model"]["init_args"]["milestones"] == [30, 60, 90]


@pytest.mark.parametrize("path", CONFIGS)
def test_it_trains_a_step(path, sample_tree, tmp_path, capfd):
    arguments = ["fit", f"--config={path}", f"--data.root={sample_tree}", f"--run.root={tmp_path}", *HERE, *SMALL]
    status = main_here(*arguments, "--data.val_from_train=0", "--trainer.fast_dev_run=true", "--model.padding=partial")
    assert status == 0, capfd.readouterr().err
    assert not list(tmp_path.glob("*/run.json")), "a trial must leave no run behind"
