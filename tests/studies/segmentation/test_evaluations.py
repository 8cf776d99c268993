"""Which evaluations can be compared, and what is said of the others."""

import json

import pytest

from studies.segmentation.evaluations import read_evaluations


def test_tests_made_in_different_ways_stand_apart(make_tested, collection):
    for seed in (0, 1):
        make_tested("zero", seed)
        make_tested("zero", seed, "small", tile_size=120)
    make_tested("partial", 0)
    make_tested("partial", 0, "half", precision="bf16-mixed")
    found = read_evaluations(collection())
    assert [(sum(map(len, block.schemes.values())), block.test) for block in found.blocks] == [
        (3, "tiles of the shorter side, 32-true"),
        (2, "tiles of 120 pixels, 32-true"),
        (1, "tiles of the shorter side, bf16-mixed"),
    ]
    assert list(found.blocks[0].schemes) == ["zero", "partial"]
    assert found.left_out == found.untested == ()


@pytest.mark.parametrize(
    "changes",
    [
        {"average": "probabilities"},
        {"border_scope": "tile"},
        {"data": {"split": 0, "images": 3, "files": "ac"}},
        {"checkpoint": "epoch-002.ckpt"},
        {"dilation": "output stride 16"},
        {"class_names": ["road", "sky", "bus"]},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_each_part_of_the_setting_counts(make_tested, collection, changes):
    make_tested("zero")
    make_tested("partial", **changes)
    assert len(read_evaluations(collection()).blocks) == 2


def test_unusable_files_are_named(make_tested, collection):
    run = make_tested("zero")
    make_tested("zero", name="again")
    make_tested("zero", name="cross", padding_at_test="partial")
    make_tested("zero", name="early", epoch=0)
    text = (run.evaluations / "best.json").read_text()
    for name, content in {
        "foreign": text.replace('"padding":"zero"', '"padding":"partial"'),
        "cut": text[:-9],
        "null": json.dumps({**json.loads(text), "data": None}),
        "shape": json.dumps({**json.loads(text), "leave_out": ["0"]}),
        "falling": json.dumps({**json.loads(text), "distance_edges": [5, 2]}),
        "mode": text.replace("tiled_0", "tiled_x"),
        "whole": text.replace("regular", "tiled_1-2"),
        "other": json.dumps({"kind": "activations"}),
    }.items():
        (run.evaluations / f"{name}.json").write_text(content)
    untested = make_tested("partial", 1)
    (untested.evaluations / "best.json").unlink()
    whole = collection()
    found = read_evaluations(whole)
    assert {entry.folder.stem: entry.reason for entry in found.left_out} == {
        "best": "holds the same test as again.json",
        "cross": "is a cross test, trained with zero and tested with partial padding",
        "early": "is of the best checkpoint at the time, of epoch 1; a later epoch is better",
    }
    unusable = {entry.folder.stem: entry.reason for entry in whole.set_aside}
    assert unusable.pop("cut").startswith("is damaged: ")
    assert unusable.pop("other").startswith("is damaged: it misses checkpoint, ")
    own = "the run trains net with zero padding"
    assert unusable == {
        "foreign": f"is of weights of deeplabv3plus-net trained with partial padding, and {own}",
        "shape": "is damaged: its counts of regular have the shape (4, 3, 3, 3), and its settings ask for (2, 3, 3, 3)",
        "falling": "is damaged: its proportions or distances do not rise",
        "null": "is damaged: data is None, no dict",
        "mode": "is damaged: Invalid literal for Fraction: 'x'",
        "whole": "is damaged: it has no counts of regular",
    }
    assert [run.record.padding for run in found.untested] == ["partial"]
