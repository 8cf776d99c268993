"""The tables of a tested checkpoint, cell by cell, from counts whose sums are taken by hand here."""

from records.evaluation import EvaluationRecord
from training.evaluation_record import tables

# counts[band][distance bin][target][prediction] of two classes: bands from the border inwards, bins from it, too.
REGULAR = [
    [[[5, 1], [0, 4]], [[2, 2], [1, 5]]],
    [[[0, 0], [0, 0]], [[9, 3], [2, 6]]],
    [[[0, 0], [0, 0]], [[0, 0], [0, 0]]],
]
TILED = [
    [[[1, 5], [4, 0]], [[3, 1], [3, 3]]],
    [[[0, 0], [0, 0]], [[12, 0], [0, 8]]],
    [[[0, 0], [0, 0]], [[0, 0], [0, 0]]],
]


def record(**changes):
    settings = {
        "checkpoint": "best.ckpt",
        "epoch": 3,
        "step": 40,
        "network": "deeplabv3plus-resnet50",
        "padding": "partial",
        "padding_at_test": "partial",
        "precision": "32-true",
        "dilation": "",
        "data": {},
        "images": 2,
        "class_names": ["road", "sky"],
        "leave_out": ["0", "1/2"],
        "border_scope": "image",
        "distance_edges": [4],
        "tile_size": None,
        "average": "logits",
        "confusion": {"regular": REGULAR, "tiled_0": TILED},
    }
    return EvaluationRecord(**{**settings, **changes})


def cells(table):
    """Rows of a table as text."""
    return list(zip(*(list(column.cells) for column in table.columns), strict=True))


def iou(both, missed, added):
    return 100 * both / (both + missed + added)


def shown(*ious):
    return f"{sum(ious) / len(ious):.3f}"


def test_every_cell():
    whole, border, classes, distance = tables(record())
    assert "Tables 5 and 6" in whole.title
    assert "the image (Table 7)" in border.title
    # All of regular: road 16 right, 6 missed, 3 added; sky 15 right, 3 missed, 6 added.
    regular = iou(16, 6, 3), iou(15, 3, 6)
    tiled = iou(16, 6, 7), iou(11, 7, 6)
    assert cells(whole) == [("regular", shown(*regular)), ("tiled, overlap 0", shown(*tiled))]
    assert cells(classes) == [
        ("road", shown(regular[0]), shown(tiled[0])),
        ("sky", shown(regular[1]), shown(tiled[1])),
    ]
    # Without the centre of 1/2: the first band alone, the frame.
    frame_regular = iou(7, 3, 1), iou(9, 1, 3)
    frame_tiled = iou(4, 6, 7), iou(3, 7, 6)
    assert [column.header for column in border.columns] == ["leave-out", "0", "1/2"]
    assert cells(border) == [
        ("regular", shown(*regular), shown(*frame_regular)),
        ("tiled, overlap 0", shown(*tiled), shown(*frame_tiled)),
    ]
    assert cells(distance) == [
        ("0-3", shown(iou(5, 1, 0), iou(4, 0, 1)), shown(iou(1, 5, 4), iou(0, 4, 5))),
        ("4+", shown(iou(11, 5, 3), iou(11, 3, 5)), shown(iou(15, 1, 3), iou(11, 3, 1))),
    ]


def test_around_tiles_only_tiles_without_overlap_are_shown():
    counts = {"regular": REGULAR, "tiled_0": TILED, "tiled_1-3": TILED}
    border = tables(record(border_scope="tile", confusion=counts))[1]
    assert [row[0] for row in cells(border)] == ["tiled, overlap 0"]
    assert [row[0] for row in cells(tables(record(confusion=counts))[1])][-1] == "tiled, overlap 1/3"
