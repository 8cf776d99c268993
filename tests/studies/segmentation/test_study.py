"""Tables 5 to 7 and the curve over the border from made-up counts, against sums and quantiles taken here."""

import csv
import json
import math

import numpy as np
import pytest
from scipy.stats import t
from studies.segmentation.border_differences import border_differences
from studies.segmentation.study import STUDIES, TESTED

from records.evaluation import EvaluationRecord
from studies.runs import paper
from studies.runs.collect import collect
from studies.segmentation import split_accuracy
from studies.segmentation.evaluations import read_evaluations

MODES = ("regular", "tiled_0", "tiled_1-3")
LEAVE_OUT = ["0", "1/3", "7/8"]
EDGES = [2, 5]
CLASSES = 3


def counts_of(padding, seed, mode):
    """counts[band][bin][target][prediction], of its own for each run and way of predicting."""
    random = np.random.default_rng([len(padding), seed, MODES.index(mode)])
    return random.integers(0, 50, (len(LEAVE_OUT) + 1, len(EDGES) + 1, CLASSES, CLASSES))


def miou(counts):
    """In percent, from one matrix, class by class."""
    ious = [
        counts[c, c]
        / (sum(counts[c, k] for k in range(CLASSES)) + sum(counts[k, c] for k in range(CLASSES)) - counts[c, c])
        for c in range(CLASSES)
    ]
    return 100 * math.fsum(ious) / CLASSES


@pytest.fixture
def make_tested(make_run):
    """A run, best in its second epoch, and a test of it; `changes` are of the record, "of_run" of the run."""

    def make(padding="zero", seed=0, name="best", of_run=(), **changes):
        fields = {"network": "net", "variant": "split0", "monitor": "val/miou", **dict(of_run)}
        folder = f"{fields['network']}-{fields['variant']}-{padding}-{seed}"
        run = make_run(padding=padding, seed=seed, values=(10.0, 30.0, 20.0), folder=folder, **fields)
        settings = {
            "checkpoint": "best.ckpt",
            "epoch": 1,
            "step": 40,
            "network": f"deeplabv3plus-{fields['network']}",
            "padding": padding,
            "padding_at_test": padding,
            "precision": "32-true",
            "dilation": "",
            "data": {"split": int(fields["variant"][-1]), "images": 2, "files": "ab"},
            "images": 2,
            "class_names": ["road", "sky", "car"],
            "leave_out": LEAVE_OUT,
            "border_scope": "image",
            "distance_edges": EDGES,
            "tile_size": None,
            "average": "logits",
            "confusion": {mode: counts_of(padding, seed, mode).tolist() for mode in MODES},
            **changes,
        }
        EvaluationRecord(**settings).write(run.evaluations / f"{name}.json")
        return run

    return make


@pytest.fixture
def collection(tmp_path):
    return lambda: collect(tmp_path / "runs", "val/miou")


def read(path):
    with open(path, newline="") as file:
        return list(csv.reader(file))


def by_heading(rows, start=0, stop=None):
    """Heading of a row to its numbers."""
    return {row[0]: [float(cell) if cell else None for cell in row[2:-2]] for row in rows[1:][start:stop]}


def written(collection, output):
    output.mkdir(exist_ok=True)
    return [section for study in STUDIES if (section := study(collection, output))]


def hand_values(padding, seed):
    """Table 6, then Table 7 without its first column."""
    whole = [miou(counts_of(padding, seed, mode).sum((0, 1))) for mode in MODES]
    tiles = counts_of(padding, seed, "tiled_0")
    # Band b is left out by the first b proportions: 7/8 leaves band 0 alone, 0 leaves all but the last.
    border = [miou(tiles[: len(LEAVE_OUT) - place].sum((0, 1))) for place in range(len(LEAVE_OUT))]
    return whole, border


def expected_rows(values):
    """Mean of each scheme, difference, interval of the two differences, by hand."""
    zero, partial = (np.array([values[padding, seed] for seed in (0, 1)]) for padding in ("zero", "partial"))
    differences = partial - zero
    half = t.ppf(0.975, 1) * np.abs(differences[0] - differences[1]) / 2
    return {
        "zero": zero.mean(0),
        "partial": partial.mean(0),
        "diff: partial - zero": differences.mean(0),
        "95 % interval (paired): from": differences.mean(0) - half,
        "to": differences.mean(0) + half,
    }


def test_every_cell_of_tables_6_and_7(make_tested, collection, tmp_path):
    values6, values7 = {}, {}
    for padding in ("zero", "partial"):
        for seed in (0, 1):
            make_tested(padding, seed)
            whole, border = hand_values(padding, seed)
            values6[padding, seed], values7[padding, seed] = whole, [whole[0], *border]
    written(collection(), tmp_path / "out")
    for stem, values, columns in (
        ("table6_tiles", values6, ["regular", "0 tile overlap", "1/3 tile overlap"]),
        ("table7_border", values7, ["regular", "0", "1/3 x 1/3", "7/8 x 7/8"]),
    ):
        rows = read(tmp_path / f"out/{stem}.csv")
        assert rows[0] == ["Padding", "tested", *columns, "n", "network"]
        found = by_heading(rows)
        for heading, cells in expected_rows(values).items():
            name = f"net-split0_{heading}" if heading in ("zero", "partial") else heading
            assert found[name] == pytest.approx(list(cells), abs=1e-9), heading
        for (padding, seed), cells in values.items():
            assert found[f"{padding}, seed {seed}"] == pytest.approx(cells, abs=1e-9)
        assert [row[-2] for row in rows[1:]] == ["2"] * 6 + ["1"] * 4


def test_the_curve_is_the_mean_with_lowest_and_highest_run(make_tested, collection, tmp_path):
    for seed in (0, 1, 2):
        make_tested("partial", seed)
    written(collection(), tmp_path / "out")
    rows = read(tmp_path / "out/distance.csv")
    assert rows[0] == ["network, prediction", "pixels", "partial", "partial lowest", "partial highest", "partial n"]
    assert [row[1] for row in rows[1:4]] == ["0-1", "2-4", "5+"]
    for row, (mode, number) in zip(rows[1:], ((mode, number) for mode in MODES for number in range(3)), strict=True):
        runs = [miou(counts_of("partial", seed, mode).sum(0)[number]) for seed in (0, 1, 2)]
        assert list(map(float, row[2:])) == pytest.approx([sum(runs) / 3, min(runs), max(runs), 3])
    assert (tmp_path / "out/distance.svg").read_text().count("pixels to the nearest border") == 3


def test_a_bin_without_pixels_is_a_gap_and_not_a_zero(make_tested, collection, tmp_path):
    counts = counts_of("zero", 0, "regular")
    counts[:, 1] = 0
    make_tested("zero", confusion={"regular": counts.tolist()})
    written(collection(), tmp_path / "out")
    rows = read(tmp_path / "out/distance.csv")
    assert [bool(row[2]) for row in rows[1:]] == [True, False, True]
    assert not (tmp_path / "out/table7_border.csv").exists(), "Table 7 is of tiles without overlap"


def test_tests_made_in_different_ways_stand_apart(make_tested, collection, tmp_path):
    for seed in (0, 1):
        make_tested("zero", seed)
        make_tested("zero", seed, "small", tile_size=120)
    make_tested("partial", 0)
    make_tested("partial", 0, "half", precision="bf16-mixed")
    found = read_evaluations(collection())
    assert [(len(block.evaluations), block.test) for block in found.blocks] == [
        (3, "tiles of the shorter side, 32-true"),
        (2, "tiles of 120 pixels, 32-true"),
        (1, "tiles of the shorter side, bf16-mixed"),
    ]
    assert found.left_out == found.untested == ()
    written(collection(), tmp_path / "out")
    rows = read(tmp_path / "out/table6_tiles.csv")
    differences = [row for row in rows if row[0].startswith("diff")]
    # Partial padding was not tested in tiles of 120, and zero not in bf16: nothing there to subtract.
    assert [row[1] for row in differences] == ["tiles of the shorter side, 32-true"]
    assert "tested" in (tmp_path / "out/table6_tiles.md").read_text().splitlines()[0]
    (difference, *_) = border_differences(collection())
    assert difference.found.n == (1, 2)


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
def test_no_difference_is_taken_across_settings(make_tested, collection, changes):
    make_tested("zero")
    make_tested("partial", **changes)
    assert len(read_evaluations(collection()).blocks) == 2
    assert border_differences(collection()) == []


def test_what_cannot_be_used_is_named_and_the_rest_reported(make_tested, collection, tmp_path):
    run = make_tested("zero")
    make_tested("zero", name="again")
    make_tested("zero", name="cross", padding_at_test="partial")
    make_tested("zero", name="early", epoch=0)
    content = json.loads((run.evaluations / "best.json").read_text())
    (run.evaluations / "foreign.json").write_text(json.dumps({**content, "padding": "partial"}))
    make_tested("zero", name="shape", leave_out=["0"])
    (run.evaluations / "cut.json").write_text((run.evaluations / "best.json").read_text()[:-9])
    (run.evaluations / "null.json").write_text(json.dumps({**content, "data": None}))
    (run.evaluations / "mode.json").write_text(json.dumps(content).replace("tiled_0", "tiled_x"))
    make_tested("zero", 1)
    (untested,) = [make_tested("partial", 1)]
    (untested.evaluations / "best.json").unlink()
    found = read_evaluations(collection())
    reasons = {entry.folder.name: entry.reason for entry in found.left_out}
    for name, words in {
        "best": "holds the same test as again.json",
        "cross": "is a cross test, trained with zero and tested with partial padding",
        "early": "of epoch 1; a later epoch is better",
        "foreign": "trained with partial padding, and the run trains with zero",
        "shape": "have the shape (4, 3, 3, 3), and its settings ask for (2, 3, 3, 3)",
        "cut": "is damaged",
        "null": "is damaged",
        "mode": "is damaged",
    }.items():
        assert words in reasons[f"{name}.json"]
    assert len(reasons) == 8
    assert [run.record.padding for run in found.untested] == ["partial"]
    section = written(collection(), tmp_path / "out")[1]
    said = "\n".join(map(str, section.printed[1:]))
    assert "cut.json: is damaged" in said
    assert "not tested: net-partial-seed1. python main.py segmentation" in said
    assert "cut.json" in section.body
    assert by_heading(read(tmp_path / "out/table6_tiles.csv"))["net-split0_zero"][0] == pytest.approx(
        (hand_values("zero", 0)[0][0] + hand_values("zero", 1)[0][0]) / 2
    )


def test_one_seed_has_a_difference_and_no_interval(make_tested, collection, tmp_path):
    for padding in ("zero", "partial"):
        make_tested(padding)
    sections = written(collection(), tmp_path / "out")
    found = by_heading(read(tmp_path / "out/table7_border.csv"))
    assert None not in found["diff: partial - zero"]
    assert set(found["95 % interval: from"] + found["to"] + found["p"]) == {None}
    assert "One run: net-split0_zero, net-split0_partial." in sections[2].body


def test_untested_runs_are_said_and_classifiers_have_no_such_section(make_run, tmp_path):
    for padding in ("zero", "partial"):
        make_run(padding=padding, monitor="val/miou")
    sections = written(collect(tmp_path / "runs"), tmp_path / "out")
    assert len(sections) == 2
    assert "Not run. python main.py segmentation" in sections[1].body
    for path in (tmp_path / "runs").glob("*/run.json"):
        path.write_text(path.read_text().replace("val/miou", "val/acc1"))
    make_run(seed=3)
    classifiers = collect(tmp_path / "runs", "val/acc1")
    assert not any(study(classifiers, tmp_path / "out") for study in (*TESTED, split_accuracy.study))


def test_the_papers_table_5_comes_out_of_its_runs(make_run, collection, tmp_path):
    for row in paper.rows("table5"):
        for seed, value in enumerate(row["runs"]):
            variant = f"split{row['split']}"
            folder = f"{row['network']}-{variant}-{row['padding']}-{seed}"
            values = (1.0, value, value - 1)
            make_run(row["network"], row["padding"], seed, values, folder=folder, variant=variant, monitor="val/miou")
    written(collection(), tmp_path / "out")
    rows = read(tmp_path / "out/table5_splits.csv")
    head = {name: place for place, name in enumerate(rows[0])}
    # The paper's order: its default split before the additional one, ResNet50 before WideResNet38.
    assert [(row[0], row[1]) for row in rows[1:]] == [
        (f"{network}_{padding}", split)
        for split in ("default (0)", "additional (2)")
        for network in ("resnet50", "wide_resnet38")
        for padding in ("zero", "partial")
    ]
    for row in rows[1:]:
        assert float(row[head["mean"]]) == pytest.approx(float(row[head["paper: mean"]]), abs=0.0011)
        assert bool(row[head["diff"]]) == bool(row[head["paper: diff"]]) == row[0].endswith("partial")
        if row[head["diff"]]:
            # Differences of the same encoder and split: the smallest is 0.112, the largest 0.329.
            assert float(row[head["diff"]]) == pytest.approx(float(row[head["paper: diff"]]), abs=0.0016)
            low, high = map(float, row[head["95 % interval"]].split(" to "))
            assert low < float(row[head["diff"]]) < high


def test_the_papers_rows_stand_beside_its_own_network_and_split_alone(make_tested, collection, tmp_path):
    for padding in ("zero", "partial"):
        make_tested(padding, of_run={"network": "wide_resnet38", "variant": "split2"})
        make_tested(padding, of_run={"network": "wide_resnet38", "variant": "split0"})
    written(collection(), tmp_path / "out")
    rows = read(tmp_path / "out/table7_border.csv")
    published = [row for row in rows if row[0].startswith("paper")]
    assert {row[-1] for row in published} == {"wide_resnet38-split2"}
    # Proportions that were not counted here are not shown, and those of the paper stand under their own.
    assert [row[2:6] for row in published] == [
        ["79.069", "79.53", "80.298", "78.981"],
        ["79.082", "79.907", "80.683", "80.23"],
        ["0.012", "0.377", "0.385", "1.249"],
    ]
    tiles = [row for row in read(tmp_path / "out/table6_tiles.csv") if row[0].startswith("paper")]
    assert [float(cell) for cell in tiles[-1][2:5]] == pytest.approx([0.013, 0.377, 0.374], abs=1e-9)


def test_differences_for_claims_are_by_seed_and_beside_the_papers(make_tested, collection):
    for seed in (0, 1, 2):
        for padding in ("zero", "partial"):
            make_tested(padding, seed, of_run={"network": "wide_resnet38", "variant": "split2"})
    found = {(each.table, each.column): each for each in border_differences(collection())}
    assert list(found) == [(6, mode) for mode in MODES] + [(7, key) for key in ("regular", *LEAVE_OUT)]
    for (_, column), each in found.items():
        by_hand = {seed: hand(column, "partial", seed) - hand(column, "zero", seed) for seed in (0, 1, 2)}
        assert each.by_seed == pytest.approx(by_hand)
        assert each.found.mean == pytest.approx(sum(by_hand.values()) / 3)
        assert each.found.kind == "paired"
    assert found[7, "7/8"].paper == 1.249
    assert found[6, "tiled_1-3"].paper == pytest.approx(0.374)


def hand(column, padding, seed):
    whole, border = hand_values(padding, seed)
    return whole[MODES.index(column)] if column in MODES else border[LEAVE_OUT.index(column)]
