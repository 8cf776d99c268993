"""Claims that rest on what other studies kept: the right difference, the right direction, the paper's own figure."""

import numpy as np
import pytest
from scipy import stats

from records.checkpoint import ActivationRecord, Shown
from studies.claims.measurements import CLAIMS, COST
from studies.claims.verdict import Verdict
from studies.runs.collect import collect
from studies.timing.record import NULL, TimingCase, TimingRecord
from tests.support.segmentation_counts import border_values, tile_values

BY_TEXT = {claim.text: claim for claim in CLAIMS}
SIX = [0, 0, 1, 1, 2, 2]
SCHEMES = ("partial", "zero")


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
        images = [Shown(f"{number}.png", "cat", b"") for number in range(8)]
        # Without an interior, and 0 over 0.
        maps = {"act": [*maps, np.ones((2, 2), np.float32), np.zeros((4, 4), np.float32)]}
        ActivationRecord("best.ckpt", 0, 1, "resnet18", padding, images, maps).write(run.evaluations / "maps.json")
    claim = BY_TEXT["Zero padding has its strongest activations at the border, partial padding has not"]
    (found,) = claim.evidence(collect(tmp_path / "runs"))
    assert found.network == "resnet18, act, by image"
    assert found.found.n == (6, 6)
    assert found.found.mean == pytest.approx(2.0, abs=0.1)
    assert claim.verdict(found) is Verdict.SUPPORTED


def test_tables_6_and_7_are_differences_of_leads_seed_by_seed(make_tested, tmp_path):
    for seed in (0, 1, 2):
        for padding in SCHEMES:
            make_tested(padding, seed, of_run={"network": "wide_resnet38", "variant": "split2"})
    collection = collect(tmp_path / "runs", "val/miou")

    def gains(of, end, start=None):
        """By hand: of each seed, partial minus zero padding of end - start."""
        sides = [[of(p, s)[end] - (0 if start is None else of(p, s)[start]) for s in (0, 1, 2)] for p in SCHEMES]
        return np.subtract(*sides)

    for text, expected, printed in (
        ("In tiles without overlap partial padding is ahead", gains(tile_values, 1), 0.377),
        ("Partial padding gains more from tiles than zero padding does", gains(tile_values, 1, 0), 0.364),
        ("The nearer to the border, the larger the lead of partial padding", gains(border_values, 2, 0), 0.872),
    ):
        (found,) = BY_TEXT[text].evidence(collection)
        assert (found.found.mean, found.found.kind) == (pytest.approx(expected.mean()), "paired")
        assert found.found.p == pytest.approx(stats.ttest_1samp(expected, 0).pvalue)
        assert found.paper == pytest.approx(printed)
