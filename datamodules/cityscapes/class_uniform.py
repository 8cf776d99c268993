"""Class-uniform sampling: half of an epoch is crops around pixels of each class in turn.

After Rota Bulo et al., "In-place activated BatchNorm" (section 4.2 of the paper names it as its source), in the form of
NVIDIA/semantic-segmentation (datasets/uniform.py): without it the rare classes of Cityscapes are in few crops.
"""

from typing import NamedTuple

import numpy as np

from datamodules.cityscapes.labels import CLASS_NAMES
from datamodules.loading import keyed

# Wall, fence, rider, truck, bus, train and motorcycle: rare in the fine images, so the coarse ones add to them.
BOOST_CLASSES = (3, 4, 12, 14, 15, 16, 17)

NO_CENTROID = -1


class EpochPlan(NamedTuple):
    """The N samples of one epoch: a scene each, and the pixel that its crop must contain.

    scenes: int64 (N,); numbers below N are fine scenes, the others coarse ones.
    centroids: int32 (N, 2), row and column in the scene; NO_CENTROID twice if the crop is unconstrained.
    """

    scenes: np.ndarray
    centroids: np.ndarray


class ClassUniform:
    """Plans the samples of each epoch as a pure function of (seed, epoch): equal on every process and in every worker.

    An epoch has N samples, N the number of fine images: int(share * N) crops around centroids, equally many of each
    class, shuffled and with wrap-around; the rest are crops anywhere in fine images, shuffled. A class that has no
    centroids gets no crops. If 19 does not divide the number of centroids, a draw decides which classes get one more;
    the reference implementation drops that remainder, which on small data is all of them.

    Args:
        fine: `class_centroids` of each fine scene.
        coarse: the same of each coarse scene; used for the classes `BOOST_CLASSES` only.
        share: share of an epoch whose crops are drawn by class.
        coarse_until_epoch: the first epoch without coarse scenes, counted from 0.
    """

    def __init__(
        self, fine: list[np.ndarray], coarse: list[np.ndarray], share: float = 0.5, coarse_until_epoch: int = 150
    ):
        self.size = len(fine)
        self.share = share
        self.coarse_until_epoch = coarse_until_epoch
        self._fine = _by_class(fine, 0)
        self._coarse = _by_class(coarse, self.size)

    def plan(self, seed: int, epoch: int) -> EpochPlan:
        drawn = [
            _take(self._candidates(number, epoch), count, seed, epoch, number)
            for number, count in enumerate(self._counts(seed, epoch))
        ]
        chosen = np.concatenate(drawn)
        whole = keyed.permutation(self.size, seed, "whole images", epoch)[: self.size - len(chosen)]
        free = np.full((len(whole), 2), NO_CENTROID, dtype=np.int32)
        return EpochPlan(
            np.concatenate((whole, chosen[:, 0].astype(np.int64))), np.concatenate((free, chosen[:, 1:]), axis=0)
        )

    def _counts(self, seed: int, epoch: int) -> list[int]:
        """Centroids of each class."""
        classes = len(CLASS_NAMES)
        each, rest = divmod(int(self.share * self.size), classes)
        rank = np.argsort(keyed.permutation(classes, seed, "class uniform", epoch))
        return (each + (rank < rest)).tolist()

    def _candidates(self, number: int, epoch: int) -> np.ndarray:
        if number in BOOST_CLASSES and epoch < self.coarse_until_epoch:
            return np.concatenate((self._fine[number], self._coarse[number]))
        return self._fine[number]


def _by_class(centroids: list[np.ndarray], first: int) -> list[np.ndarray]:
    """For each class int32 (n, 3): scene, row, column; scenes are numbered from `first`."""
    scenes = np.repeat(np.arange(first, first + len(centroids)), [len(rows) for rows in centroids])
    rows = np.concatenate([np.empty((0, 3), dtype=np.int32), *centroids])
    table = np.concatenate((scenes[:, None].astype(np.int32), rows[:, 1:]), axis=1)
    return [table[rows[:, 0] == number] for number in range(len(CLASS_NAMES))]


def _take(candidates: np.ndarray, count: int, seed: int, epoch: int, number: int) -> np.ndarray:
    if not len(candidates):
        return candidates
    order = keyed.permutation(len(candidates), seed, "class uniform", epoch, number)
    return candidates[order[np.arange(count) % len(order)]]
