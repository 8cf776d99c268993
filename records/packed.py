"""Many small integers as text in JSON: 50,000 predicted classes take 130 KB."""

import base64
from collections.abc import Sequence

import numpy as np

DTYPES = ("<i2", "<i4")
"""Signed little-endian integers; the narrower where all fit."""


def pack(values: Sequence[int] | np.ndarray) -> dict[str, str]:
    """`values`, of 32 bits at most, as `{"dtype": "<i2", "base64": ...}`."""
    values = np.asarray(values, dtype=np.int64)
    fits = np.iinfo(DTYPES[0])
    narrow = len(values) == 0 or (values.min() >= fits.min and values.max() <= fits.max)
    dtype = DTYPES[0 if narrow else 1]
    return {"dtype": dtype, "base64": base64.b64encode(values.astype(dtype).tobytes()).decode()}


def unpack(packed: dict[str, str]) -> np.ndarray:
    """(N,) int64. Raises ValueError, KeyError or TypeError for what `pack` did not write."""
    if packed["dtype"] not in DTYPES:
        raise ValueError(f"dtype {packed['dtype']!r} is none of {', '.join(DTYPES)}")
    return np.frombuffer(base64.b64decode(packed["base64"], validate=True), dtype=packed["dtype"]).astype(np.int64)
