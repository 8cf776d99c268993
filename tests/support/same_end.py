"""Whether two runs of one configuration ended alike, bit for bit: what a kill and a resume must not change."""

from collections.abc import Iterator
from typing import Any

import torch

from records import RunFolder
from tests.support.program import newest_checkpoint, rows_without_time


def assert_same_end(one: RunFolder, other: RunFolder) -> None:
    """Rows, the newest resume checkpoint with all its state, and the names and weights of the kept epochs are equal."""
    assert_equal(rows_without_time(one), rows_without_time(other), "epochs.csv")
    assert_equal(comparable(newest_checkpoint(one)), comparable(newest_checkpoint(other)))
    names = sorted(path.name for path in one.checkpoints.glob("[!r]*.ckpt"))
    assert names == sorted(path.name for path in other.checkpoints.glob("[!r]*.ckpt"))
    for name in names:
        one_weights, other_weights = (torch.load(run.checkpoints / name, weights_only=True) for run in (one, other))
        assert_equal(one_weights["state_dict"], other_weights["state_dict"], name)
        assert one_weights["epoch"] == other_weights["epoch"], name


def assert_equal(one: Any, other: Any, path: str = "") -> None:
    """Every tensor and number in two nested structures is the same, bit for bit; all that differ are named."""
    different = list(differing(one, other, path))
    assert not different, f"{len(different)} differ: {', '.join(different[:5])}"


def differing(one: Any, other: Any, path: str = "") -> Iterator[str]:
    """Paths of what differs in two nested structures."""
    if type(one) is not type(other):
        yield f"{path} ({type(one).__name__}, {type(other).__name__})"
    elif isinstance(one, dict):
        yield from (f"{path}/{key} (in one alone)" for key in one.keys() ^ other.keys())
        for key in one.keys() & other.keys():
            yield from differing(one[key], other[key], f"{path}/{key}")
    elif isinstance(one, list | tuple) and len(one) == len(other):
        for index, (x, y) in enumerate(zip(one, other, strict=True)):
            yield from differing(x, y, f"{path}/{index}")
    elif isinstance(one, torch.Tensor):
        if one.dtype != other.dtype or not torch.equal(one, other):
            yield f"{path} (tensor {tuple(one.shape)})"
    elif one != other and not (one != one and other != other):  # two NaN are equal here
        yield f"{path} ({one!r:.40}, {other!r:.40})"


def comparable(checkpoint: dict[str, Any]) -> dict[str, Any]:
    """A checkpoint without clock times; paths are not in it."""
    callbacks = {
        key: {k: v for k, v in state.items() if k != "seconds"} for key, state in checkpoint["callbacks"].items()
    }
    rows = [{k: v for k, v in row.items() if k != "seconds"} for row in callbacks["RunRecorder"].pop("rows")]
    return {**checkpoint, "callbacks": callbacks, "rows": rows}
