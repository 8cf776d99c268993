"""Random numbers that are a pure function of a key: no generator is shared, saved or advanced.

The global generators of Python, NumPy and torch are neither read nor written, so the number of workers, the number of
processes and the place at which a run was resumed cannot change what is drawn.
"""

import hashlib

import numpy as np


def philox(*key: int | str) -> np.random.Philox:
    """The bit generator of a key, for example `(seed, "augment", epoch, index)`."""
    digest = hashlib.blake2b(repr(key).encode(), digest_size=16).digest()
    return np.random.Philox(key=int.from_bytes(digest, "little"))


def generator(*key: int | str) -> np.random.Generator:
    """A NumPy generator of a key; about 20 µs."""
    return np.random.Generator(philox(*key))


def permutation(size: int, *key: int | str) -> np.ndarray:
    """A permutation of range(size) of a key, int64.

    Sorts raw 64-bit words instead of calling `Generator.permutation`, whose stream NumPy may change between versions
    (NEP 19). 0.15 s for the 1.28 million images of ImageNet.
    """
    return np.argsort(philox(*key).random_raw(size), kind="stable")


def uniform(random: np.random.Generator, low: float, high: float) -> float:
    """A uniform number from a generator; `Generator.uniform` may change between versions of NumPy, `random` hardly."""
    return low + (high - low) * random.random()
