"""Claims of other papers: the right sign, against values planted in the records."""

import numpy as np
import pytest
from scipy import stats

from records.checkpoint import MeasureRecord
from studies.border_error.record import BorderErrorRecord, Errors
from studies.claims.others import CLAIMS
from studies.claims.verdict import Verdict
from studies.geometry.record import Foveation, GeometryRecord, LayerWindows
from studies.location.record import LocationRecord
from studies.probe.table import TARGETS
from studies.runs.collect import collect
from studies.runs.measured import measured_runs
from studies.shift.table import study as shift_study

BEST = "best.ckpt"

SHIFT = ("consistency", "circular", "top1", "p", "sd")
"""What `shift` measures."""

NOISE = (0.0, 0.3, -0.2, 0.1, -0.1)


def examined(tmp_path):
    """Of each claim: its evidence's names, and their verdicts."""
    collection = collect(tmp_path / "runs")
    return [{each.network: (each, claim.verdict(each)) for each in claim.evidence(collection)} for claim in CLAIMS]


def keep(run, study, how, values, checkpoint=BEST, data=None):
    record = run.read_record()
    settings = [checkpoint, 1, 2, record.network, record.padding, record.padding, "32-true", data or {"images": 9}]
    measured = MeasureRecord(*settings, study=study, how=how, images=9, values=values)
    measured.write(run.evaluations / measured.file_name)


def test_the_red_green_test(tmp_path, make_run):
    make_run()
    swapped = {"zero": 5, "circular": 65, "full": 45}
    accuracy = {
        scheme: {str(seed): [99.0, mean + noise] for seed, noise in enumerate(NOISE)}
        for scheme, mean in swapped.items()
    }
    (tmp_path / "runs/location").mkdir()
    LocationRecord(10, 1, accuracy).write(tmp_path / "runs/location/location.json")
    zero, others, *rest = examined(tmp_path)
    found, verdict = zero["red-green, zero"]
    assert (found.found.mean, found.paper, verdict) == (pytest.approx(5 + np.mean(NOISE)), 8.4, Verdict.SUPPORTED)
    assert [verdict for _, verdict in others.values()] == [Verdict.SUPPORTED, Verdict.CONTRADICTED]
    assert rest == [{}] * 5


def test_zero_padding_against_every_other_scheme_by_seed(tmp_path, make_run):
    for padding, shift in (("zero", 0.0), ("reflect", -0.3), ("partial", 0.0)):
        for seed, noise in enumerate(NOISE):
            run = make_run(padding=padding, seed=seed)
            # Not the same noise everywhere: pairs that do not differ give no interval.
            value = 0.5 + 0.1 * noise + shift + (0.01 * NOISE[-1 - seed] if padding != "zero" else 0)
            keep(run, "probe", {}, {f"images {target}": [value, 0.1] for target in TARGETS})
            kept = [50.0, 60.0, 60 - 10 * value]
            keep(run, "sizes", {"factors": [0.5, 1.0, 2.0]}, {"kept": kept, "rescaled": kept})
            keep(run, "seams", {}, {"meanE": [value]})
    position, sizes, seams = (examined(tmp_path)[at] for at in (2, 3, 5))
    name = "resnet18, zero − reflect"
    expected = [0.3 - 0.01 * NOISE[-1 - seed] for seed in range(5)]
    found = position[name][0].found
    assert (found.mean, found.kind) == (pytest.approx(np.mean(expected)), "paired")
    assert found.p == pytest.approx(stats.ttest_1samp(expected, 0).pvalue)
    verdicts = {name: [each[name][1] for each in (position, sizes, seams)] for name in position}
    assert verdicts == {name: [Verdict.SUPPORTED] * 3, "resnet18, zero − partial": [Verdict.OPEN] * 3}
    assert sizes[name][0].found.mean == pytest.approx(-10 * np.mean(expected))


@pytest.mark.parametrize("checkpoint", ["best.ckpt", "epoch-003.ckpt"])
def test_a_measurement_that_was_stopped_does_not_take_the_place_of_a_whole_one(checkpoint, tmp_path, make_run):
    runs = [make_run(seed=seed) for seed in range(3)]
    for number, (run, count) in enumerate([*((run, 9) for run in runs), (runs[0], 5 if checkpoint == BEST else 9)]):
        keep(run, "sizes", {"count": count}, {"kept": [number]}, checkpoint if number == 3 else BEST)
    found, left_out = measured_runs(collect(tmp_path / "runs"), "sizes")
    assert sorted(record.values["kept"][0] for record in found.values()) == [0, 1, 2]
    assert not left_out


def test_networks_of_other_images_are_all_measured_and_runs_of_other_images_are_named(
    tmp_path, make_run, page_of, rows_of
):
    """Two networks with images of their own; of the first, one run's images are not those of the other two."""
    of = {("a", seed): {"size": 32} for seed in (0, 1)} | {("a", 2): {"size": 64}, ("b", 0): {"size": 224}}
    for (network, seed), data in of.items():
        keep(make_run(network, seed=seed), "shift", {}, {name: [9.0] for name in SHIFT}, data=data)
    section = shift_study(collect(tmp_path / "runs"), tmp_path)
    assert [(row["Network"], row["n"]) for row in rows_of("shift.csv")] == [("a_zero", "2"), ("b_zero", "1")]
    assert "a-zero-seed2: shift was measured with other settings or images" in page_of(section)


def test_a_size_that_does_not_run_is_no_evidence(tmp_path, make_run):
    for padding in ("zero", "reflect"):
        values = {"kept": [50.0, None], "rescaled": [1.0, 1.0]}
        keep(make_run(padding=padding), "sizes", {"factors": [1.0, 2.0]}, values)
    assert examined(tmp_path)[3] == {}


def test_linear_prediction_is_compared_layer_by_layer(tmp_path, make_run):
    make_run()
    layers = [f"layer{number}" for number in range(10)]
    errors = {
        scheme: Errors([[1.0]] * 10, [[level * (1 + number), 9.0] for number in range(10)])
        for scheme, level in (("lp1", 0.1), ("zero", 1.0), ("replicate", 0.05))
    }
    record = BorderErrorRecord("net", "random", "zero", 32, 8, 4, "ab", [*errors], layers, [0.0] * 10, errors, {}, None)
    (tmp_path / "runs/border-error").mkdir()
    record.write(tmp_path / "runs/border-error/net-32.json")
    found = examined(tmp_path)[4]
    zero, replicate = (f"net (random), lp1 / {scheme}, by layer" for scheme in ("zero", "replicate"))
    assert [found[name][0].found.mean for name in (zero, replicate)] == pytest.approx([0.1, 2])
    assert [found[name][1] for name in (zero, replicate)] == [Verdict.SUPPORTED, Verdict.CONTRADICTED]
    assert found[zero][0].found.p == pytest.approx(2 * 0.5**10)


def test_a_network_at_an_uneven_size_is_compared_with_itself_at_an_even_one(tmp_path, make_run):
    make_run()
    (tmp_path / "runs/geometry").mkdir()
    for number in range(11):  # the first is a wider or another run of the second, the last has no even size
        for size, read, skew in ((224, 0, 0.1 + 0.01 * max(number, 1)), (225, 1, 0.1))[: 1 if number == 10 else 2]:
            window = LayerWindows(f"stem{max(number, 1)}", "both", size, 3, 2, 1, 1, 1, 1, read)
            seen = {"zero": Foveation(np.ones((2, 2), "float32"), skew, skew - 0.05, 1.0, 1.0)}
            record = GeometryRecord(f"net{number}", "random", size, ["zero"], 0, [window], [225, 225], seen, {})
            record.write(tmp_path / f"runs/geometry/net{number}-{size}.json")
    evidence, verdict = examined(tmp_path)[6]["networks at uneven − even sizes, zero"]
    assert evidence.found.mean == pytest.approx(0.05)
    assert evidence.found.n == (9, 9)
    assert verdict == Verdict.SUPPORTED
