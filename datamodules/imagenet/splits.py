"""Fixed draws from a training set, which do not depend on the seed of the run."""

from collections.abc import Sequence

import numpy as np

from datamodules.errors import DataError, checked, some
from datamodules.loading import keyed

# Defines the held-out validation set: another value gives another split.
_SPLIT_SEED = 2018


def ranked_by_class(targets: np.ndarray, classes: Sequence[str], purpose: str) -> list[np.ndarray]:
    """The positions in `targets` of each class, in a random order that depends only on the class's name and size."""
    grouped = np.split(np.argsort(targets, kind="stable"), np.cumsum(np.bincount(targets, minlength=len(classes)))[:-1])
    return [
        group[keyed.permutation(len(group), _SPLIT_SEED, purpose, name)]
        for group, name in zip(grouped, classes, strict=True)
    ]


def hold_out(targets: np.ndarray, classes: Sequence[str], amount: int | float) -> tuple[np.ndarray, np.ndarray]:
    """Split positions into (kept, held out), both sorted, each class in proportion to its size.

    Args:
        targets: class of each image.
        classes: names of the classes.
        amount: images to hold out; a float below 1 is a share of all.

    Raises:
        DataError: the amount is out of range, or would leave a class without training images.
    """
    sizes = np.bincount(targets, minlength=len(classes))
    counts = _proportional(sizes, _count(amount, len(targets)))
    if bare := [name for name, size, count in zip(classes, sizes, counts, strict=True) if count >= size]:
        raise DataError(
            f"`val_from_train` = {amount} leaves no training image in {len(bare)} classes: {some(bare)}",
            todo="Lower it.",
        )
    ranked = ranked_by_class(targets, classes, "hold out")
    held = np.sort(np.concatenate([group[:count] for group, count in zip(ranked, counts, strict=True)]))
    return np.setdiff1d(np.arange(len(targets)), held), held


def limit_per_class(targets: np.ndarray, classes: Sequence[str], limit: int) -> np.ndarray:
    """Sorted positions of a draw of at most `limit` images of each class."""
    checked("images_per_class", limit, limit >= 1, "at least 1, or null for all")
    return np.sort(np.concatenate([group[:limit] for group in ranked_by_class(targets, classes, "limit")]))


def _count(amount: int | float, total: int) -> int:
    valid = amount >= 0 and not (isinstance(amount, float) and amount >= 1)
    checked("val_from_train", amount, valid, "0, a whole number of images, or a share between 0 and 1")
    count = round(amount * total) if isinstance(amount, float) else amount
    if not 0 < count < total:
        raise DataError(
            f"`val_from_train` = {amount} makes {count} of {total} images; it must leave some on both sides"
        )
    return count


def _proportional(sizes: np.ndarray, count: int) -> np.ndarray:
    # Largest-remainder method in integers, because floats may round differently on other machines.
    products = sizes.astype(np.int64) * count
    counts = products // sizes.sum()
    short = count - counts.sum()
    counts[np.argsort(-(products % sizes.sum()), kind="stable")[:short]] += 1
    return counts
