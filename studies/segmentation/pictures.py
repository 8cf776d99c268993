"""Figures 6 to 8: images, their ground truth, and the predictions of a zero-padded and a partially padded network.

Section 4.2.1 of Partial Convolution based Padding, https://arxiv.org/abs/1811.11718. Nothing here loads a network or
an image (studies.segmentation.scenes does). Each picture is kept with its words (studies.segmentation.figures), so that
a report shows both without computing them again.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from evaluation import Box, centre_box, distance_to_border, predict_tiled, tile_boxes
from evaluation.pictures.class_maps import draw_tiles, leave_out, legend, overlay
from evaluation.pictures.grid import caption, fitted, headings, row, stack
from studies.segmentation.figures import Picture

ZONE = 16
"""Pixels count as near the border within a 16th of a tile's side: what leaving out 7/8 of it (Table 7) leaves."""

IGNORED = 255

PANEL = 480
"""Most pixels of a panel's width."""

OVERLAPS = {"figure6": Fraction(1, 3), "figure8": Fraction(0)}
"""The paper's figure to the overlap of its tiles."""

Network = Callable[[torch.Tensor], torch.Tensor]
"""Normalised images (N, 3, H, W) to logits (N, C, H, W)."""


class Errors(NamedTuple):
    """Pixels near a border that are predicted wrong, and all that count."""

    wrong: int
    counted: int

    @property
    def share(self) -> float:
        """From 0 to 1. Raises ZeroDivisionError where no pixel counts."""
        return self.wrong / self.counted


@dataclass(frozen=True, eq=False)
class PicturedScene:
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


@dataclass(frozen=True, eq=False)
class NetworkPair:
    """Two networks side by side, and how they predict.

    Attributes:
        networks: words for each, such as `zero padding`, to the network; two.
        words: which runs they are, a sentence.
        tile_size: side of the tiles in pixels; None is the shorter side of each image.
        average: what is averaged where tiles overlap.
        border_scope: whose centre Figure 7 shades: "image" or "tile".
        leave_out: proportions of the centre, for Figure 7.
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

    def tiles(self, scene: PicturedScene, overlap: Fraction) -> tuple[int, list[Box]]:
        """Side of the tiles of an image, and the tiles."""
        height, width = scene.target.shape
        size = self.tile_size or min(height, width)
        return size, tile_boxes(height, width, size, overlap)

    def predict(self, scene: PicturedScene, overlap: Fraction) -> list[torch.Tensor]:
        """Classes (H, W) on the CPU from tiles, for each network."""
        size, _ = self.tiles(scene, overlap)
        with torch.inference_mode():
            logits = (
                predict_tiled(network, scene.image, size, overlap, self.average) for network in self.networks.values()
            )
            # Classes alone: logits of 19 classes at 2048 x 1024 take 160 MB an image.
            return [each.argmax(0).cpu() for each in logits]

    def errors(self, scene: PicturedScene, overlap: Fraction) -> tuple[Errors, ...]:
        """Errors near the tiles' borders, for each network."""
        size, tiles = self.tiles(scene, overlap)
        counted = border_zone(*scene.target.shape, tiles, size) & (scene.target != IGNORED)
        return tuple(
            Errors(int((counted & (prediction != scene.target)).sum()), int(counted.sum()))
            for prediction in self.predict(scene, overlap)
        )


def border_zone(height: int, width: int, tiles: Sequence[Box], size: int) -> torch.Tensor:
    """(H, W) bool: pixels less than a ZONEth of `size` from the nearest border of a tile.

    Where tiles overlap, a pixel counts in the tile in which it lies deepest.
    """
    return distance_to_border(height, width, tiles) < max(1, size // ZONE)


def most_different(pairs: Sequence[Sequence[Errors]], count: int) -> list[int]:
    """Numbers of the images whose shares of wrong pixels differ most between two networks, whichever is better.

    Of equal ones the first come first; images without a pixel that counts are passed over.
    """
    differences = {
        number: abs(ours.share - theirs.share) for number, (ours, theirs) in enumerate(pairs) if ours.counted
    }
    return sorted(differences, key=lambda number: -differences[number])[:count]


def evenly(total: int, count: int) -> list[int]:
    """At most `count` of the numbers below `total`, evenly spread, the first among them."""
    return list(range(total)) if total <= count else [number * total // count for number in range(count)]


def make(
    compared: NetworkPair,
    scenes: Sequence[PicturedScene],
    output: Path,
    shown: int,
    examined: int,
    tell: Callable[[str], None],
) -> list[Path]:
    """Writes figure6, figure8 and figure7 into `output`; returns the pictures.

    Args:
        scenes: loaded one at a time, when they are asked for.
        shown: images of Figures 6 and 8.
        examined: images that these are chosen from, at most, evenly spread over the set.
        tell: takes a line on the progress.
    """
    # Images are loaded again for the pictures: keeping all examined ones would take gigabytes.
    numbers = evenly(len(scenes), examined)
    found: dict[str, list[tuple[Errors, ...]]] = {name: [] for name in OVERLAPS}
    for place, number in enumerate(numbers, start=1):
        tell(f"image {place} of {len(numbers)}")
        scene = scenes[number]
        for name, overlap in OVERLAPS.items():
            found[name].append(compared.errors(scene, overlap))
    files = []
    for name, overlap in OVERLAPS.items():
        chosen = most_different(found[name], shown)
        scenes_shown = [(scenes[numbers[place]], found[name][place]) for place in chosen]
        words = _words(compared, overlap, found[name], len(scenes), len(chosen))
        files.append(words.write(output, name, side_by_side(compared, scenes_shown, overlap)))
        first = scenes_shown[0][0] if scenes_shown else scenes[0]
    whose = "the image" if compared.border_scope == "image" else "each tile"
    text = f"What Table 7 leaves out of {whose}, by the share of its height and width. Image: {first.name}."
    words = Picture("Centres left out (Figure 7)", text, "one image with its centre shaded")
    return [*files, words.write(output, "figure7", left_out(compared, first))]


def side_by_side(
    compared: NetworkPair, scenes: Sequence[tuple[PicturedScene, Sequence[Errors]]], overlap: Fraction
) -> np.ndarray:
    """Figures 6 and 8: a row an image, with the tiles' seams on the photograph, and a legend of the classes in it."""
    strips, classes_shown = [], set()
    for scene, found in scenes:
        maps = [scene.target, *compared.predict(scene, overlap)]
        classes_shown |= {value for each in maps for value in each.unique().tolist()}
        photograph = _photograph(compared, scene, overlap)
        panels = row([photograph, *(_coloured(compared, scene, each) for each in maps)])
        shares = [f"{name} {100 * each.share:.1f} %" for name, each in zip(compared.networks, found, strict=True)]
        text = f"{scene.name}: wrong near a tile's border: {', '.join(shares)}"
        strips += [panels, caption(text, panels.shape[1])]
    if not strips:
        return caption("no image has a pixel that counts near a border", 4 * PANEL)
    known = [number for number in range(len(compared.class_names)) if number in classes_shown]
    names, colours = ([values[number] for number in known] for values in (compared.class_names, compared.class_colours))
    head = headings(["image, with the tiles' borders", "ground truth", *compared.networks], photograph.shape[1])
    return stack([head, *strips, legend(names, colours, max(strip.shape[1] for strip in strips))])


def left_out(compared: NetworkPair, scene: PicturedScene) -> np.ndarray:
    """Figure 7: one image under its classes, the centre shaded at each proportion."""
    under = overlay(scene.photograph, scene.target.numpy(), compared.class_colours)
    of_tiles = compared.border_scope == "tile"
    scopes = compared.tiles(scene, Fraction(0))[1] if of_tiles else [Box(0, 0, *scene.target.shape)]
    panels = []
    for proportion in compared.leave_out:
        centres = np.zeros(tuple(scene.target.shape), bool)
        for scope in scopes:
            centres[scope.slices][centre_box(scope.height, scope.width, proportion).slices] = True
        panel = fitted(leave_out(under, centres), PANEL)
        name = str(proportion) if proportion == 0 else f"{proportion} x {proportion}"
        panels.append(np.concatenate([caption(name, panel.shape[1]), panel]))
    return stack([row(panels[start : start + 3]) for start in range(0, len(panels), 3)])


def _photograph(compared: NetworkPair, scene: PicturedScene, overlap: Fraction) -> np.ndarray:
    # Seams are drawn after the reduction, which would blur them.
    small = fitted(scene.photograph, PANEL)
    scale = small.shape[1] / scene.photograph.shape[1]
    _, tiles = compared.tiles(scene, overlap)
    return draw_tiles(small, [tuple(round(edge * scale) for edge in tile) for tile in tiles])


def _coloured(compared: NetworkPair, scene: PicturedScene, classes: torch.Tensor) -> np.ndarray:
    return fitted(overlay(scene.photograph, classes.numpy(), compared.class_colours, 1), PANEL, smooth=False)


def _words(
    compared: NetworkPair, overlap: Fraction, found: Sequence[Sequence[Errors]], images: int, shown: int
) -> Picture:
    number, how = (8, "without overlap") if overlap == 0 else (6, f"with an overlap of {overlap}")
    shares = []
    for name, side in zip(compared.networks, zip(*found, strict=True), strict=True):
        pooled = Errors(*map(sum, zip(*side, strict=True)))
        shares.append(f"{name} {100 * pooled.share:.2f} %" if pooled.counted else f"{name} -")
    text = (
        f"Predicted in tiles {how}. {compared.words} Shown are the {shown} of {len(found)} examined images "
        f"(of {images}, evenly spread) in which the shares of wrong pixels near a tile's border (less than 1/{ZONE} of "
        f"its side away) differ most between the two, whichever is better. Over all examined images: "
        f"{', '.join(shares)} wrong there."
    )
    title = f"Predictions in tiles {how} (Figure {number})"
    return Picture(title, text, f"rows of image, ground truth, {' and '.join(compared.networks)}")
