"""Measures scenes per CPU second of our training samples against the recipe of 2018: Pillow, full resizing, floats.

All ways make the same crops of 896 pixels, in turns in this process. The recipe resizes the whole image and classes,
then crops, mirrors, jitters and blurs with Pillow (whose blur is faster than the recipe's scikit-image), and ends with
normalised floats. `fast` ends before jitter and blur, which run on the device; `device` is the cost of these two if the
device is this CPU.
Scenes that are not of 2048 x 1024 pixels are enlarged first, with noise like a camera's (2 MB each, as in Cityscapes).
"""

import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from itertools import count
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torchvision import transforms

from benchmarks.input_pipeline import compared, decode_rgb_array
from benchmarks.parts import Row, Setting
from datamodules.cityscapes.colours import colour_on_device, colour_with_pillow, draw_colours
from datamodules.cityscapes.datasets import SceneFiles, scene_cache
from datamodules.cityscapes.files import Scene
from datamodules.cityscapes.labels import CLASS_OF_LABEL
from datamodules.cityscapes.splits import FOLDERS, fine_scenes
from datamodules.cityscapes.transforms import FastSegmentationTransform, SegmentationTransform
from datamodules.loading import keyed
from datamodules.loading.decode import FastDecoder
from datamodules.loading.resumable import IMAGENET_MEAN, IMAGENET_STD
from datamodules.samples.cityscapes import make

WIDTH, HEIGHT = 2048, 1024
END = transforms.Compose([transforms.ToTensor(), transforms.Normalize(IMAGENET_MEAN, IMAGENET_STD)])


def enlarged(root: Path, scenes: list[Scene], folder: Path) -> Path:
    """Writes the scenes at 2048 x 1024 pixels into `folder`, cropped to that shape; returns `root` if they have it."""
    with Image.open(root / scenes[0].image) as image:
        if image.size == (WIDTH, HEIGHT):
            return root
    random = np.random.default_rng(0)
    for scene in scenes:
        for name, resample in ((scene.image, Image.Resampling.BICUBIC), (scene.label, Image.Resampling.NEAREST)):
            with Image.open(root / name) as image:
                width, height = image.size
                top = max(height - width // 2, 0) // 2
                large = image.resize((WIDTH, HEIGHT), resample, (0, top, width, min(top + width // 2, height)))
            if name == scene.image:
                pixels = np.asarray(large) + random.normal(0, 1, (HEIGHT, WIDTH, 1))
                large = Image.fromarray(pixels.clip(0, 255).round().astype(np.uint8))
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            large.save(folder / name)
    return folder


def by_the_recipe(files: SceneFiles, transform: SegmentationTransform, index: int, random: np.random.Generator):
    path, label_path = files.paths(index)
    image = Image.open(path).convert("RGB")
    # Inverted, because Pillow fills with 0 beyond the image, which inverting back makes the ignored 255.
    classes = Image.fromarray(255 - CLASS_OF_LABEL[np.asarray(Image.open(label_path))])
    scaled, corner, flip = transform._place(image.size, None, random)
    box = (*corner, corner[0] + transform.size, corner[1] + transform.size)
    image = image.resize(scaled, Image.Resampling.BICUBIC).crop(box)
    classes = classes.resize(scaled, Image.Resampling.NEAREST).crop(box)
    if flip:
        image, classes = (each.transpose(Image.Transpose.FLIP_LEFT_RIGHT) for each in (image, classes))
    image = colour_with_pillow(image, draw_colours(transform.jitter, transform.blur, random))
    return END(image), torch.from_numpy(255 - np.asarray(classes)).long()


def pipelines(root: Path, scenes: list[Scene], size: int, folder: Path) -> dict[str, Callable]:
    """Maps names to functions that load the sample of a scene; builds the cache in `folder`."""
    exact, fast = SegmentationTransform(size), FastSegmentationTransform(size)
    cache = scene_cache(folder, root, scenes)
    for _ in cache.build(0):
        pass
    plain, stored = SceneFiles(root, scenes), SceneFiles(root, scenes, cache)
    ways = {
        "ours": (exact, plain),
        "cache": (exact, stored),
        "fast, Pillow": (fast, SceneFiles(root, scenes, decode=decode_rgb_array)),
        "fast": (fast, SceneFiles(root, scenes, decode=FastDecoder())),
        "fast + cache": (fast, stored),
    }
    found = {"baseline": partial(by_the_recipe, plain, exact)}
    found |= {name: partial(_load, *way) for name, way in ways.items()}
    found["null"] = found["ours"]
    pixels, _, colours = found["fast + cache"](0, keyed.generator(0))
    return found | {"device": lambda index, random: colour_on_device(pixels[None], [colours])}


def _load(transform: SegmentationTransform, files: SceneFiles, index: int, random: np.random.Generator):
    return transform(*files.load(index), random)


def scene_rows(setting: Setting, images: int = 16, rounds: int = 5, size: int = 896) -> Iterator[Row]:
    """Measures scenes per CPU second, over the recipe's; `null` is over ours."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        root = setting.scenes or make(Path(folder, "drawn"))
        scenes = fine_scenes(root, FOLDERS, "train")
        scenes = scenes[:: max(len(scenes) // images, 1)][:images]
        ways = pipelines(enlarged(root, scenes, Path(folder, "large")), scenes, size, Path(folder, "cache"))

        def load(way: Callable, epochs: Iterator[int]) -> None:
            epoch = next(epochs)  # each round has other crops, equal for all ways
            for index in range(len(scenes)):
                way(index, keyed.generator(0, "augment", epoch, index))

        functions = {name: partial(load, way, count()) for name, way in ways.items()}
        yield from compared("scenes", functions, len(scenes), rounds)
