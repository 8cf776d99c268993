"""The metrics of an epoch do not depend on the number of processes."""

import pytest

from tests.support.program import NO_DASHBOARD, fit, main, main_here, only_run, rows_without_time

# Group normalisation: with batch statistics, two processes would rightly differ from one.
NO_BATCH_STATISTICS = ["--model.network_args={norm_layer: groupnorm1}", "--trainer.max_epochs=2", NO_DASHBOARD]
TWO = ["--trainer.devices=2", "--trainer.strategy=ddp"]


def test_two_processes_give_the_metrics_of_one(tmp_path, odd_tree):
    assert main_here(*fit(tmp_path / "one", odd_tree, *NO_BATCH_STATISTICS)) == 0
    main(*fit(tmp_path / "two", odd_tree, *NO_BATCH_STATISTICS, *TWO))
    one, two = rows_without_time(only_run(tmp_path / "one")), rows_without_time(only_run(tmp_path / "two"))
    assert len(one) == len(two) == 2
    for a, b in zip(one, two, strict=True):
        assert a == pytest.approx(b, rel=2e-4)
        # Each of the 49 images counts once: shares are whole multiples of 1/49.
        for row in (a, b):
            assert row["val/acc1"] * 49 / 100 == pytest.approx(round(row["val/acc1"] * 49 / 100), abs=1e-4)
    # Between epochs another number of processes may go on; sums of single precision in another order differ a little.
    folder = only_run(tmp_path / "two")
    record = folder.read_record()
    record.finished = False
    folder.write_record(record)
    sorted(folder.checkpoints.glob("resume-*.ckpt"))[-1].unlink()
    assert main_here(*fit(tmp_path / "two", odd_tree, *NO_BATCH_STATISTICS)) == 0
    gone_on = rows_without_time(folder)
    assert gone_on[0] == two[0]
    assert gone_on[1] == pytest.approx(two[1], rel=2e-4)
