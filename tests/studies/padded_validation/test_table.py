"""Pairs of validations: counted by hand, and what is not compared."""

import numpy as np
import pytest
from scipy.stats import binomtest

from records.validation import ValidationRecord
from studies.padded_validation.table import study
from studies.runs.collect import collect

RIGHT = {
    "cropped": [1] * 30 + [0] * 10,
    "fixed": [1] * 26 + [0] * 4 + [1] * 1 + [0] * 9,
    "none": [0] * 20 + [1] * 10 + [0] * 10,
}


@pytest.fixture
def validate(make_run, identity_of):
    """Makes a run and its validations of 40 images; returns the folder of the runs."""
    run = make_run(padding="partial")

    def keep(view, right=None, predictions=1, **changes):
        right = np.array(RIGHT[view] if right is None else right)
        score = {"acc1": 100 * right.mean()} if predictions == 1 else {"miou": 12.5 if view == "alone" else 12.25}
        shown = view if view in ("cropped", "alone") else "padded"
        settings = {
            **identity_of(run),
            "data": {"images": len(right), "files": "d"},
            "shown": shown,
            "mask_rule": view if shown == "padded" else None,
            "metrics": {"loss": 1.0, **score},
            "right": right,
            "predictions": np.full(len(right), predictions),
            **changes,
        }
        record = ValidationRecord(**settings)
        record.write(run.evaluations / record.file_name)
        return run.path.parent

    return keep


def rows(section):
    table = section.blocks[0]
    return [dict(zip((column.name for column in table.columns), row, strict=True)) for row in table.rows]


def test_pairs_of_a_classifier(validate, tmp_path):
    for view in RIGHT:
        runs = validate(view)
    section = study(collect(runs), tmp_path)
    found = {(row["first"], row["second"]): row for row in rows(section)}
    counts = {
        ("padded, fixed", "cropped"): (1, 4),
        ("padded, none", "cropped"): (0, 20),
        ("padded, fixed", "padded, none"): (21, 4),
    }
    assert found.keys() == counts.keys()
    for names, (better, worse) in counts.items():
        row = found[names]
        assert (row["better"], row["worse"], row["images"]) == (better, worse, 40)
        assert row["difference"] == pytest.approx(100 * (better - worse) / 40)
        assert row["low"] < row["difference"] < row["high"]
        assert row["p"] == pytest.approx(binomtest(better, better + worse).pvalue)
    assert [path.name for path in section.files] == ["padded_validation.csv", "padded_validation.md"]


def test_scenes_have_no_interval(validate, tmp_path):
    validate("alone", [90, 50, 7], 100)
    runs = validate("fixed", [91, 40, 7], 100)
    (row,) = rows(study(collect(runs), tmp_path))
    assert (row["difference"], row["low"], row["high"]) == (-0.25, None, None)
    assert (row["better"], row["worse"], row["p"]) == (1, 1, 1)


@pytest.mark.parametrize(
    "other",
    [
        {"data": {"images": 40, "files": "others"}},
        {"step": 3},
        {"precision": "16-mixed"},
        {"padding_at_test": "zero"},
        {"checkpoint": "epoch-001.ckpt"},
    ],
)
def test_what_is_not_comparable(validate, tmp_path, other):
    validate("cropped")
    assert study(collect(validate("fixed", **other)), tmp_path) is None
