"""Figures 6 to 8: images, their ground truth, and what a zero-padded and a partially padded network predict in tiles.

The networks come from whoever calls (studies.segmentation.scenes): nothing here loads one. Each picture is kept with
what is to be said of it (records of picture_sections), so that a report shows both without computing them again.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Protocol

import numpy as np
import torch

from evaluation import Box, centre_box, predict_tiled, tile_boxes
from evaluation.pictures.class_maps import draw_tiles, leave_out, legend, overlay
from evaluation.pictures.grid import caption, fitted, headings, row, stack
from studies.segmentation.border_errors import ZONE, Errors, border_zone, errors, evenly, most_different, pooled
from studies.segmentation.picture_sections import Picture

Network = Callable[[torch.Tensor], torch.Tensor]
"""Normalised images (N, 3, H, W) to logits (N, C, H, W)."""

PANEL = 480
"""Most pixels of a panel's width."""

OVERLAPS = {"figure6": Fraction(1, 3), "figure8": Fraction(0)}
"""The paper's figure to the overlap of its tiles."""


@dataclass(frozen=True, eq=False)
class Scene:
    """One image of the evaluated set.

    Attributes:
        name: for the caption.
        photograph: (H, W, 3) uint8.
        image: normalised, (3, H, W), on the networks' device.
        target: classes (H, W) uint8, 255 where ignored.
    """

    name: str
    photograph: np.ndarray
    image: torch.Tensor
    target: torch.Tensor


class Scenes(Protocol):
    """The images, loaded one at a time."""

    def __len__(self) -> int: ...
    def __getitem__(self, number: int) -> Scene: ...


@dataclass(frozen=True, eq=False)
class Comparison:
    """Two networks that are looked at side by side, and how they predict.

    Attributes:
        networks: words for each, such as `zero padding`, to the network; two.
        words: which runs they are, a sentence.
        tile_size: side of the tiles in pixels; None is the shorter side of each image.
        average: what is averaged where tiles overlap.
        border_scope: whose centre Figure 7 shades: "image" or "tile".
        leave_out: its proportions.
        class_names, class_colours: of the legend.
    """

    networks: Mapping[str, Network]
    words: str
    tile_size: int | None
    average: str
    border_scope: str
    leave_out: Sequence[Fraction]
    class_names: Sequence[str]
    class_colours: Sequence[tuple[int, int, int]]

    def tiles(self, shape: tuple[int, int], overlap: Fraction) -> tuple[int, list[Box]]:
        """Side of the tiles of an image (H, W), and the tiles."""
        size = self.tile_size or min(shape)
        return size, tile_boxes(*shape, size, overlap)


def make(
    compared: Comparison, scenes: Scenes, output: Path, shown: int, examined: int, tell: Callable[[str], None]
) -> list[Path]:
    """Writes figure6, figure8 and figure7 into `output`; returns the pictures.

    Args:
        shown: images of Figures 6 and 8.
        examined: images that these are chosen from, at most, evenly spread over the set.
        tell: is told how far it is.
    """
    numbers = evenly(len(scenes), examined)
    found: dict[str, list[tuple[Errors, Errors]]] = {name: [] for name in OVERLAPS}
    for place, number in enumerate(numbers, start=1):
        tell(f"image {place} of {len(numbers)}")
        for name, each in _errors(compared, scenes[number]).items():
            found[name].append(each)
    files = []
    for name, overlap in OVERLAPS.items():
        chosen = most_different(found[name], shown)
        scenes_shown = [(scenes[numbers[place]], found[name][place]) for place in chosen]
        text = _words(compared, overlap, found[name], len(scenes), len(chosen))
        files.append(text.write(output, name, side_by_side(compared, scenes_shown, overlap)))
        first = scenes_shown[0][0] if scenes_shown else scenes[0]
    text = Picture("Centres left out (Figure 7)", _left_out_words(compared, first), "one image with its centre shaded")
    return [*files, text.write(output, "figure7", left_out(compared, first))]


def predict(compared: Comparison, network: Network, image: torch.Tensor, overlap: Fraction) -> torch.Tensor:
    """Classes (H, W) on the CPU, from tiles."""
    size, _ = compared.tiles(tuple(image.shape[-2:]), overlap)
    with torch.inference_mode():
        return predict_tiled(network, image, size, overlap, compared.average).argmax(0).cpu()


def _errors(compared: Comparison, scene: Scene) -> dict[str, tuple[Errors, Errors]]:
    found = {}
    for name, overlap in OVERLAPS.items():
        size, tiles = compared.tiles(tuple(scene.target.shape), overlap)
        zone = border_zone(*scene.target.shape, tiles, size)
        predictions = [predict(compared, network, scene.image, overlap) for network in compared.networks.values()]
        found[name] = tuple(errors(prediction, scene.target, zone) for prediction in predictions)
    return found


def side_by_side(
    compared: Comparison, scenes: Sequence[tuple[Scene, tuple[Errors, Errors]]], overlap: Fraction
) -> np.ndarray:
    """The picture: a row an image, with the tiles' seams on the photograph, and a legend of the classes in it."""
    names = ["image, with the tiles' borders", "ground truth", *compared.networks]
    strips, classes_shown = [], set()
    for scene, found in scenes:
        _, tiles = compared.tiles(tuple(scene.target.shape), overlap)
        maps = [
            scene.target,
            *(predict(compared, network, scene.image, overlap) for network in compared.networks.values()),
        ]
        classes_shown |= {value for each in maps for value in each.unique().tolist()}
        panels = [_photograph(scene, tiles), *(_coloured(compared, scene, each.numpy()) for each in maps)]
        strips += [row(panels), caption(_shares(scene, compared, found), row(panels).shape[1])]
    if not strips:
        return caption("no image has a pixel that counts near a border", 4 * PANEL)
    width = max(strip.shape[1] for strip in strips)
    known = [number for number in range(len(compared.class_names)) if number in classes_shown]
    names_shown, colours = (
        [values[number] for number in known] for values in (compared.class_names, compared.class_colours)
    )
    return stack([headings(names, panels[0].shape[1]), *strips, legend(names_shown, colours, width)])


def left_out(compared: Comparison, scene: Scene) -> np.ndarray:
    """Figure 7: one image under its classes, the centre shaded at each proportion."""
    shape = tuple(scene.target.shape)
    under = overlay(scene.photograph, scene.target.numpy(), compared.class_colours)
    scopes = compared.tiles(shape, Fraction(0))[1] if compared.border_scope == "tile" else [Box(0, 0, *shape)]
    panels = []
    for proportion in compared.leave_out:
        panel = fitted(leave_out(under, _centres(shape, scopes, proportion)), PANEL)
        name = str(proportion) if proportion == 0 else f"{proportion} x {proportion}"
        panels.append(np.concatenate([caption(name, panel.shape[1]), panel]))
    return stack([row(panels[start : start + 3]) for start in range(0, len(panels), 3)])


def _centres(shape: tuple[int, int], scopes: Sequence[Box], proportion: Fraction) -> np.ndarray:
    mask = np.zeros(shape, bool)
    for scope in scopes:
        mask[scope.slices][centre_box(scope.height, scope.width, proportion).slices] = True
    return mask


def _photograph(scene: Scene, tiles: Sequence[Box]) -> np.ndarray:
    # Seams are drawn after the reduction, which would blur them.
    small = fitted(scene.photograph, PANEL)
    scale = small.shape[1] / scene.photograph.shape[1]
    return draw_tiles(small, [tuple(round(edge * scale) for edge in tile) for tile in tiles])


def _coloured(compared: Comparison, scene: Scene, classes: np.ndarray) -> np.ndarray:
    return fitted(overlay(scene.photograph, classes, compared.class_colours, 1), PANEL, smooth=False)


def _shares(scene: Scene, compared: Comparison, found: Sequence[Errors]) -> str:
    shares = [f"{name} {100 * each.share:.1f} %" for name, each in zip(compared.networks, found, strict=True)]
    return f"{scene.name}: wrong near a tile's border: {', '.join(shares)}"


def _words(
    compared: Comparison, overlap: Fraction, found: Sequence[tuple[Errors, Errors]], images: int, shown: int
) -> Picture:
    number, how = (8, "without overlap") if overlap == 0 else (6, f"with an overlap of {overlap}")
    shares = []
    for name, side in zip(compared.networks, zip(*found, strict=True), strict=True):
        total = pooled(side)
        shares.append(f"{name} {100 * total.share:.2f} %" if total.counted else f"{name} -")
    text = (
        f"Predicted in tiles {how}. {compared.words} Shown are the {shown} of {len(found)} examined images "
        f"(of {images}, evenly spread) in which the shares of wrong pixels near a tile's border (less than 1/{ZONE} of "
        f"its side away) differ most between the two, whichever is better. Over all examined images: "
        f"{', '.join(shares)} wrong there."
    )
    title = f"Predictions in tiles {how} (Figure {number})"
    return Picture(title, text, f"rows of image, ground truth, {' and '.join(compared.networks)}")


def _left_out_words(compared: Comparison, scene: Scene) -> str:
    whose = "the image" if compared.border_scope == "image" else "each tile"
    return f"What Table 7 leaves out of {whose}, by the share of its height and width. Image: {scene.name}."
