"""Verdicts on the paper's claims: decided only where a test decides, either way, and never by one network for all."""

import pytest

from studies.claims.accuracy import SIMILAR
from studies.claims.table import CLAIMS, examine, study
from studies.claims.verdict import Verdict, overall, summary
from studies.runs.collect import collect
from studies.stats.intervals import compare_spread

NOISE = (0.0, 0.3, -0.2, 0.1, -0.1)


def runs_of(make_run, network, **means):
    """Five runs a scheme whose best epochs lie at `means` and scatter by seed, each scheme a little differently."""
    for place, (padding, mean) in enumerate(means.items()):
        for seed, noise in enumerate(NOISE):
            peak = mean + noise + 0.02 * NOISE[(seed + place) % 5]
            make_run(network, padding, seed, (peak - 9, peak - 8, peak), targets=[mean - 8.5])


def verdicts(tmp_path):
    return {each.claim.text: dict(zip((e.network for e in each.evidence), each.verdicts, strict=True)) for each in
            examine(collect(tmp_path / "runs"))}  # fmt: skip


def test_a_win_supports_a_loss_contradicts_and_a_tie_decides_nothing(tmp_path, make_run):
    runs_of(make_run, "won", zero=70.0, partial=71.0, reflect=70.0 + 2 * SIMILAR, replicate=69.0)
    # A lead of half of what counts as similar supports "similar".
    runs_of(make_run, "lost", zero=70.0, partial=69.0, reflect=70.0 + SIMILAR / 2)
    runs_of(make_run, "tied", zero=70.0, partial=70.0)
    found = verdicts(tmp_path)
    better = found["Partial padding reaches a better accuracy (or mIoU) than zero padding"]
    assert better == {"won": Verdict.SUPPORTED, "lost": Verdict.CONTRADICTED, "tied": Verdict.OPEN}
    reflection = found["Reflection padding performs similarly to zero padding or worse"]
    assert reflection == {"won": Verdict.CONTRADICTED, "lost": Verdict.SUPPORTED}
    assert found["Replication padding performs similarly to zero padding or worse"] == {"won": Verdict.SUPPORTED}
    assert found["Runs with partial padding scatter less"]["won"] is Verdict.OPEN


def test_fewer_epochs_support_and_one_run_decides_nothing(tmp_path, make_run):
    for seed in range(5):
        make_run("slow", "zero", seed, [*[1.0] * (10 + seed % 2), 60.0], targets=[50.0])
        make_run("slow", "partial", seed, [*[1.0] * (5 + seed % 3), 60.0, 60.0], targets=[50.0])
    make_run("once", "zero", 0, (60.0,), targets=[50.0])
    make_run("once", "partial", 0, (59.0,), targets=[50.0])
    found = verdicts(tmp_path)
    assert found["Partial padding takes fewer epochs to the same accuracy"] == {
        "slow, 50 %": Verdict.SUPPORTED,
        "once, 50 %": Verdict.OPEN,
    }
    assert found["Partial padding reaches a better accuracy (or mIoU) than zero padding"]["once"] is Verdict.OPEN
    study(collect(tmp_path / "runs"), tmp_path)
    assert "nan" not in (tmp_path / "claims_evidence.csv").read_text(), "the ratio of no spread"


def test_the_papers_epochs_stand_beside_its_network_and_target_alone(tmp_path, make_run):
    for network in ("resnet50", "resnet18"):
        for padding in ("zero", "partial"):
            make_run(network, padding, 0, (60.0, 80.0), targets=[50.0, 74.9])
    (epochs,) = (each for each in examine(collect(tmp_path / "runs")) if "fewer epochs" in each.claim.text)
    assert {each.network: each.paper for each in epochs.evidence} == {
        "resnet18, 50 %": None,
        "resnet18, 74.9 %": None,
        "resnet50, 50 %": None,
        "resnet50, 74.9 %": -5.0,  # 63 epochs against 68, Figure 3
    }


def test_curves_are_compared_at_the_epochs_that_every_run_has(tmp_path, make_run):
    for seed in (0, 1):
        make_run(seed=seed, values=(10.0, 20.0, 15.0))
        make_run(padding="partial", seed=seed, values=(11.0, 24.0 + seed, 24.0, 99.0))
    ahead, steadier = (
        next(each.evidence for each in examine(collect(tmp_path)) if text in each.claim.text)
        for text in ("At the same epoch", "fewer drifts")
    )
    # Epoch 4 is not in every run: (1 + 4 + 9) / 3 and (1 + 5 + 9) / 3.
    assert [each.found.mean for each in ahead] == [pytest.approx(14.5 / 3)]
    # partial falls by 0 and 1, zero by 5, each over two steps.
    assert [each.found.mean for each in steadier] == [pytest.approx(0.25 - 2.5)]


def test_networks_must_agree():
    supported, contradicted, open_ = Verdict.SUPPORTED, Verdict.CONTRADICTED, Verdict.OPEN
    assert overall([supported, supported]) is supported
    assert overall([supported, open_]) is open_
    assert overall([supported, contradicted, open_]) is Verdict.MIXED
    assert overall([]) is Verdict.UNTESTED
    assert summary([supported, open_, contradicted]) == (
        "supported and contradicted (supported: 1 of 3, contradicted: 1 of 3)"
    )
    assert summary([open_, contradicted]) == "not yet decidable (contradicted: 1 of 2)"


def test_the_spread_is_compared_by_the_ratio_of_variances():
    ours, theirs = [1.0, 2.0, 3.0], [10.0, 20.0, 30.0, 20.0, 20.0]
    found = compare_spread(ours, theirs)
    assert found.mean == pytest.approx(1 / 50**0.5)
    # F with 2 and 4 degrees of freedom has a closed form: P(F < x) = 1 - (1 + x / 2)^-2.
    assert found.p == pytest.approx(2 * (1 - (1 + 0.02 / 2) ** -2))
    assert compare_spread([1.0, 1.0], theirs).mean == 0
    swapped = compare_spread(theirs, ours)
    assert (1 / swapped.mean, swapped.p) == pytest.approx((found.mean, found.p))
    assert (1 / swapped.high, 1 / swapped.low) == pytest.approx((found.low, found.high))


def test_the_page_lists_every_claim_and_its_evidence(tmp_path, make_run, rows_of):
    runs_of(make_run, "net", zero=70.0, partial=71.0)
    section = study(collect(tmp_path / "runs"), tmp_path)
    rows, evidence = rows_of("claims.csv"), rows_of("claims_evidence.csv")
    assert [row["Claim"].partition(". ")[2] for row in rows] == [claim.text for claim in CLAIMS]
    assert rows[0]["these runs"] == "supported"
    assert "not tested" in {row["these runs"] for row in rows}
    first = evidence[0]
    assert (first["Claim"], first["network"], first["n"], first["verdict"]) == ("1", "net", "5", "supported")
    assert float(first["low"]) < float(first["estimate"]) < float(first["high"])
    assert {file.name for file in section.files} == {
        f"claims{end}" for end in (".csv", ".md", "_evidence.csv", "_evidence.md")
    }


def test_every_claim_names_a_command_that_exists():
    from cli.app import COMMANDS

    assert {claim.command for claim in CLAIMS} <= set(COMMANDS)
