"""Claims that rest on what other studies kept: the right difference, the right direction, the paper's own figure."""

from types import SimpleNamespace

import numpy as np
import pytest

from records.checkpoint import ActivationRecord, Shown
from studies.claims import measurements
from studies.claims.measurements import CLAIMS, COST
from studies.claims.verdict import Verdict
from studies.runs.collect import collect
from studies.segmentation.table import BorderDifference
from studies.stats.intervals import Comparison
from studies.timing.record import NULL, TimingCase, TimingRecord

BY_TEXT = {claim.text: claim for claim in CLAIMS}
SIX = [0, 0, 1, 1, 2, 2]


def wrong(count):
    """Six predictions of which the first `count` are wrong."""
    return [(target + 1) % 3 if number < count else target for number, target in enumerate(SIX)]


def test_cross_tests_are_compared_seed_by_seed_and_in_the_papers_direction(tmp_path, make_run, keep_evaluation):
    # Of six images, zero loses 4, 3, 3, 3, 4 under partial, partial 1, 0, 0, 1, 0 under zero.
    for seed, (zero, partial) in enumerate(zip((4, 3, 3, 3, 4), (1, 0, 0, 1, 0), strict=True)):
        for padding, other, lost in (("zero", "partial", zero), ("partial", "zero", partial)):
            run = make_run("resnet50", padding, seed)
            keep_evaluation(run, SIX)
            keep_evaluation(run, wrong(lost), other)
    collection = collect(tmp_path / "runs")
    asymmetry = BY_TEXT["Weights of zero padding lose more under partial padding than the other way round"]
    (found,) = asymmetry.evidence(collection)
    # -17 / 5 images against -2 / 5, of six.
    assert found.found.mean == pytest.approx(-100 * 3 / 6)
    assert (found.found.kind, found.found.n) == ("paired", (5, 5))
    assert found.paper == pytest.approx(-16.357 + 0.732)
    assert asymmetry.verdict(found) is Verdict.SUPPORTED
    robust = BY_TEXT["Weights of partial padding perform similarly under zero padding"]
    (found,) = robust.evidence(collection)
    assert found.found.mean == pytest.approx(-100 * 2 / 5 / 6)
    assert found.paper == -0.732
    assert robust.verdict(found) is Verdict.OPEN


@pytest.mark.parametrize(("ratio", "verdict"), [(1.02, Verdict.SUPPORTED), (1.2, Verdict.CONTRADICTED)])
def test_time_is_that_of_later_iterations(tmp_path, make_run, ratio, verdict):
    make_run()
    rounds = 20
    zero = {"zero": [1.0] * rounds, NULL: [1.0] * rounds}
    later = {**zero, "partial": [ratio + 0.001 * number for number in range(rounds)]}
    case = TimingCase("resnet50", 224, 224, "eager", 17, [], first={**zero, "partial": [9.0] * rounds}, later=later)
    record = TimingRecord("cpu", "a machine", 1, 1, 1, "wall", [case])
    (tmp_path / "runs/timing").mkdir()
    record.write(tmp_path / "runs/timing/timing.json")
    claim = BY_TEXT["Partial padding costs about 4 % more time at inference"]
    (found,) = claim.evidence(collect(tmp_path / "runs"))
    assert found.found.mean == pytest.approx(100 * (ratio + 0.0095))
    # All twenty on one side of the line: 2 / 2^20.
    assert found.found.p == pytest.approx(2**-19)
    assert found.paper == 103.39
    assert claim.line == COST
    assert claim.verdict(found) is verdict


def test_activations_are_paired_by_image_and_flat_maps_count_nowhere(tmp_path, make_run):
    rng = np.random.default_rng(0)
    for padding, border in (("zero", 3.0), ("partial", 1.0)):
        run = make_run(padding=padding)
        maps = [np.pad(np.ones((3, 3), np.float32), 1, constant_values=border + rng.uniform(0, 0.1)) for _ in range(6)]
        images = [Shown(f"{number}.png", "cat", b"") for number in range(7)]
        maps = {"act": [*maps, np.ones((2, 2), np.float32)]}
        ActivationRecord("best.ckpt", 0, 1, "resnet18", padding, images, maps).write(run.evaluations / "maps.json")
    claim = BY_TEXT["Zero padding has its strongest activations at the border, partial padding has not"]
    (found,) = claim.evidence(collect(tmp_path / "runs"))
    assert found.network == "resnet18, act, by image"
    assert found.found.n == (6, 6)
    assert found.found.mean == pytest.approx(2.0, abs=0.1)
    assert claim.verdict(found) is Verdict.SUPPORTED


def test_tables_6_and_7_are_differences_of_leads_seed_by_seed(monkeypatch):
    def lead(table, column, by_seed, printed):
        found = Comparison(sum(by_seed.values()) / len(by_seed), (len(by_seed),) * 2, "paired", -1.0, 1.0, 0.5)
        block = SimpleNamespace(network="wide_resnet38-split2")
        return BorderDifference(block, "partial", table, column, found, by_seed, printed)

    leads = [
        lead(6, "regular", {0: 1.0, 1: 2.0, 2: 1.0}, 0.013),
        lead(6, "tiled_0", {0: 2.0, 1: 3.5, 2: 2.0, 3: 9.0}, 0.377),
        lead(7, "0", {0: 2.0}, 0.377),
        lead(7, "7/8", {0: 1.0}, 1.249),
    ]
    monkeypatch.setattr(measurements, "border_differences", lambda collection: leads)
    ahead = BY_TEXT["In tiles without overlap partial padding is ahead"].evidence(None)
    assert [(each.found, each.paper) for each in ahead] == [(leads[1].found, 0.377)]
    (gain,) = BY_TEXT["Partial padding gains more from tiles than zero padding does"].evidence(None)
    # Seeds 0 to 2 have both: 1, 1.5, 1.
    assert (gain.found.mean, gain.found.n) == (pytest.approx(3.5 / 3), (3, 3))
    assert gain.paper == pytest.approx(0.364)
    (growth,) = BY_TEXT["The nearer to the border, the larger the lead of partial padding"].evidence(None)
    assert (growth.found.mean, growth.found.p, growth.paper) == (-1.0, None, pytest.approx(0.872))


def test_nothing_kept_is_no_evidence(tmp_path, make_run):
    make_run()
    make_run(padding="partial")
    collection = collect(tmp_path / "runs")
    assert [list(claim.evidence(collection)) for claim in CLAIMS] == [[]] * len(CLAIMS)
