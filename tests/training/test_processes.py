"""The figures of an epoch do not depend on the number of processes."""

import shutil

import pytest

from tests.support.program import fit, main, only_run, rows_without_time

# Group normalisation: with batch statistics, two processes would rightly differ from one.
NO_BATCH_STATISTICS = ["--model.network_args={norm_layer: groupnorm1}", "--trainer.max_epochs=2"]
TWO = ["--trainer.devices=2", "--trainer.strategy=ddp"]


@pytest.fixture(scope="module")
def odd_tree(sample_tree, tmp_path_factory):
    """The sample tree with 49 validation images, which two processes cannot share evenly."""
    root = tmp_path_factory.mktemp("odd") / "tree"
    shutil.copytree(sample_tree, root)
    next((root / "val").rglob("*.JPEG")).unlink()
    return root


def test_two_processes_give_the_metrics_of_one(tmp_path, odd_tree):
    main(*fit(tmp_path / "one", odd_tree, *NO_BATCH_STATISTICS))
    main(*fit(tmp_path / "two", odd_tree, *NO_BATCH_STATISTICS, *TWO))
    one, two = rows_without_time(only_run(tmp_path / "one")), rows_without_time(only_run(tmp_path / "two"))
    assert len(one) == len(two) == 2
    for a, b in zip(one, two, strict=True):
        assert a == pytest.approx(b, rel=2e-4)
        # Each of the 49 images counts once: shares are whole multiples of 1/49.
        for row in (a, b):
            assert row["val/acc1"] * 49 / 100 == pytest.approx(round(row["val/acc1"] * 49 / 100), abs=1e-4)


def test_other_number_of_processes_is_refused_in_mid_epoch_and_nothing_is_lost(tmp_path, sample_tree):
    from tests.support.program import killed

    arguments = fit(tmp_path, sample_tree, "--run.checkpoint_every_n_steps=2")
    killed("step", 4, *arguments)
    refused = main(*arguments, *TWO, check=False)
    assert refused.returncode != 0
    assert "world" in refused.stdout or "process" in refused.stdout
    assert only_run(tmp_path).checkpoints.joinpath("resume-0000000002.ckpt").is_file()
