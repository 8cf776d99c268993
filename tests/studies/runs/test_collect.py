"""Which runs are compared, in which order, and what is set aside by name."""

import pytest

from datamodules.errors import DRAWN
from records import RunFolderError
from studies.runs.collect import collect
from studies.runs.fairness import SAMPLES, warnings


def reasons(collection):
    return {each.folder.name: each.reason for each in collection.set_aside}


def test_groups_follow_the_papers_order_and_runs_their_seeds(tmp_path, make_run):
    for network in ("resnet101", "resnet50"):
        for padding in ("reflect", "partial", "circular", "zero", "a new scheme"):
            for seed in (10, 2):
                make_run(network, padding, seed)
    collection = collect(tmp_path)
    assert collection.networks == ("resnet50", "resnet101")
    assert collection.schemes == ("zero", "partial", "a new scheme", "circular", "reflect")
    assert [run.record.seed for run in collection.groups[0].runs] == [2, 10]


def test_unfinished_damaged_and_empty_runs_are_named_and_left_out(tmp_path, make_run):
    make_run(seed=0)
    make_run(seed=1, finished=False, max_epochs=6)
    make_run(seed=2).record_file.write_text('{"id":')
    make_run(seed=3).epochs.write_text("epoch,step,val/acc1\n0,1,what\n")
    make_run(seed=4, values=(), finished=True)
    make_run(seed=5, monitor="val/miou")
    make_run(seed=6, values=(float("nan"), float("inf")))
    collection = collect(tmp_path)
    assert [run.record.seed for run in collection.runs] == [0]
    found = reasons(collection)
    assert found["resnet18-zero-seed1"] == "unfinished: 2 of 6 epochs"
    assert "run.json is damaged" in found["resnet18-zero-seed2"]
    assert "epochs.csv, line 2" in found["resnet18-zero-seed3"]
    assert "no value of val/acc1" in found["resnet18-zero-seed4"]
    assert "val/miou (--metric)" in found["resnet18-zero-seed5"]
    assert found["resnet18-zero-seed6"].startswith("its epochs.csv has no epoch with val/acc1 and")


def test_runs_that_monitor_a_loss_are_not_ranked_by_it(tmp_path, make_run):
    make_run(monitor="val/loss", values=(3.0, 1.0))
    with pytest.raises(RunFolderError, match="no value of val/acc1"):
        collect(tmp_path)
    make_run(seed=2)
    assert [run.record.seed for run in collect(tmp_path).runs] == [2]


def test_nothing_to_report_says_what_is_there(tmp_path, make_run):
    (tmp_path / "runs").mkdir()
    with pytest.raises(RunFolderError, match="holds no runs"):
        collect(tmp_path / "runs")
    for seed in (0, 1):
        make_run(finished=False, max_epochs=9, seed=seed)
    with pytest.raises(RunFolderError, match=r"no finished run.*\n.*seed0: unfinished: 2 of 9 epochs \(and 1 more\)$"):
        collect(tmp_path / "runs")
    with pytest.raises(RunFolderError, match="is no folder"):
        collect(tmp_path / "nowhere")


def test_data_that_moved_are_the_same_data(tmp_path, make_run):
    roots = [{"data": {"init_args": {"root": root}}} for root in ("/old", "/new")]
    for seed, data in enumerate(("a", "a")):
        make_run(seed=seed, config=roots[seed], data=data)
    assert not list(warnings(collect(tmp_path)))
    make_run(seed=2, config=roots[1], data="b")
    (found,) = warnings(collect(tmp_path))
    assert found == "resnet18: the runs differ in data: a (zero seed 0, zero seed 1); b (zero seed 2)."
    make_run(seed=3, config=roots[1])
    (found,) = warnings(collect(tmp_path))
    assert "the runs differ in data.init_args.root: /new (zero seed 1, zero seed 2, zero seed 3); /old" in found


def test_differing_settings_are_said_with_who_has_them(tmp_path, make_run):
    for seed in range(4):
        make_run(seed=seed, attempts=[{"commit": "a" * 40}])
    make_run(padding="partial", seed=5, values=(1.0, 2.0, 3.0))
    make_run(padding="partial", seed=6, config={"data": {"batch_size": 8}})
    found = list(warnings(collect(tmp_path)))
    # Padding, seed and the run's folder differ as well, and one commit is no reason for a warning.
    assert found == [
        "resnet18: the runs differ in data.batch_size: (not set) (5 runs); 8 (partial seed 6).",
        "resnet18: the runs differ in trainer.max_epochs: 2 (5 runs); 3 (partial seed 5).",
    ]


def test_drawn_images_are_no_evidence(tmp_path, make_run):
    assert {*SAMPLES} == {*DRAWN}
    make_run(data_root="/data/imagenet")
    assert not list(warnings(collect(tmp_path)))
    make_run(seed=1, data_root="data/sample_imagenet")
    assert "(data/sample_imagenet): they show how it works, and are no evidence" in next(warnings(collect(tmp_path)))


def test_settings_that_differ_late_in_a_long_value_differ(tmp_path, make_run):
    for seed in (0, 1):
        make_run(seed=seed, config={"data": {"classes": "x" * 100 + str(seed)}})
    (found,) = warnings(collect(tmp_path))
    assert found.count(f"{'x' * 57}... (zero seed ") == 2


def test_a_seed_twice_several_commits_and_a_lost_config_are_said(tmp_path, make_run):
    make_run(attempts=[{"commit": "a" * 40}])
    again = make_run(folder="again", attempts=[{"commit": "b" * 40 + "+changes"}])
    again.config.unlink()
    found = "\n".join(warnings(collect(tmp_path)))
    assert "seed 0 is there 2 times" in found
    assert "2 commits: aaaaaaaaaa, bbbbbbbbbb+changes" in found
    assert "files that differ from their commit: bbbbbbbbbb+changes" in found
    assert "config.yaml is missing or damaged" in found
