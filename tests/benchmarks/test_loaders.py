"""The loaders' benchmarks at tiny size: what is compared are the same samples."""

import pytest
import torch

from benchmarks import input_pipeline, scene_pipeline
from benchmarks.parts import Setting
from datamodules.cityscapes.splits import FOLDERS, fine_scenes
from datamodules.loading import keyed

pytestmark = pytest.mark.usefixtures("settled")


def test_the_recipe_makes_the_sample_that_ours_is(sample_streets, tmp_path, monkeypatch):
    scenes = fine_scenes(sample_streets, FOLDERS, "train")[:3]
    monkeypatch.setattr(scene_pipeline, "WIDTH", 192)
    monkeypatch.setattr(scene_pipeline, "HEIGHT", 96)
    root = scene_pipeline.enlarged(sample_streets, scenes, tmp_path / "large")
    ways = scene_pipeline.pipelines(root, scenes, 64, tmp_path / "cache")
    assert scene_pipeline.enlarged(root, scenes, tmp_path / "again") == root
    for index in range(3):
        made = {name: way(index, keyed.generator("test", index)) for name, way in ways.items() if name != "device"}
        image, classes = made.pop("baseline")
        for name, sample in made.items():
            pixels = scene_pipeline.END(sample[0].permute(1, 2, 0).numpy())
            # Where a pixel's middle falls on the border of two, Pillow's floats may take the other one.
            assert (sample[1] != classes).double().mean() < 0.02
            assert torch.equal(pixels, image) is not name.startswith("fast")
        assert torch.equal(made["fast"][0], made["fast + cache"][0])


def test_rows(sample_tree, sample_streets, tmp_path, monkeypatch):
    monkeypatch.setattr(scene_pipeline, "enlarged", lambda root, scenes, folder: root)
    setting = Setting(torch.device("cpu"), tmp_path, data=sample_tree, scenes=sample_streets)
    rows = [*input_pipeline.loader_rows(setting, 4, 2, 32, 36), *scene_pipeline.scene_rows(setting, 2, 2, 32)]
    ways = ["baseline", "ours", "fast", "fast, Pillow"]
    assert [row["loader"] for row in rows if row["samples"] == "train"] == [*ways, "ours + float", "null"]
    assert [row["loader"] for row in rows if row["samples"] == "eval"] == [*ways, "cache", "ours + float", "null"]
    found = {row["loader"] for row in rows if row["samples"] == "scenes"}
    assert found == {*ways, "cache", "fast + cache", "null", "device"}
    assert all(len(row["_seconds"]) == 2 for row in rows)
