"""A run killed at any step and resumed ends as if nothing had happened, bit for bit (CPU, deterministic)."""

import contextlib
import json
import os
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch.optim import lr_scheduler as schedules

from records import RunFolder
from records.errors import UserError
from tests.support.program import NO_DASHBOARD, ROOT, SMALL_SCENES, fit, killed, main, main_here, only_run, start_of
from tests.support.same_end import assert_same_end
from tests.training.loops.tiny_run import BATCHES, KilledError, Killer, tiny_run
from training.callbacks import StopSignal
from training.checkpoint_files import newest_good
from training.resume import ResumeCheckpoint, SameRecipe, _seed_torch

# A network with dropout, so that a wrong random state would show; checkpoints every 3 of 8 steps an epoch.
NETWORK = ["--model.network_args={drop_rate: 0.3}", "--model.padding=partial", "--run.checkpoint_every_n_steps=3"]


SCENES = [*SMALL_SCENES, "--data.crop_size=48", "--model.padding=partial", "--run.checkpoint_every_n_steps=3"]


def epochs_in_dashboard(folder):
    """Epochs on the W&B run's epoch axis, over the offline files of all attempts."""
    epochs = []
    for attempt in sorted(folder.path.glob("wandb/offline-run-*")):
        command = [str(Path(sys.executable).with_name("wandb")), "leet", "inspect", "--json", str(attempt)]
        for line in subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines():
            item = json.loads(line).get("history", {}).get("item", {})
            if "epoch" in item:
                epochs.append((item["epoch"], item["val/acc1"]))
    return epochs


@pytest.fixture(scope="module")
def whole(sample_tree, tmp_path_factory) -> RunFolder:
    """The run without a kill, and without a dashboard, which changes nothing."""
    root = tmp_path_factory.mktemp("whole")
    with contextlib.chdir(ROOT):
        assert main_here(*fit(root, sample_tree, *NETWORK, NO_DASHBOARD)) == 0
    return only_run(root)


def test_seeding_one_device_draws_what_seeding_all_drew():
    torch.manual_seed(5)
    expected = torch.rand(4)
    _seed_torch(5, torch.device("cpu"))
    assert torch.equal(torch.rand(4), expected)


def test_one_process_killed_four_times(tmp_path, sample_tree, whole, monkeypatch):
    """Killed in mid-epoch, again under other workers, in the middle of writing, and at its end; then it ends the same.

    Started by a process that has W&B running, which is not this run's: there, its epochs would be kept back or lost.
    """
    monkeypatch.setenv("WANDB_SERVICE", f"3-{os.getpid()}-unix-{tmp_path}/socket")
    command = fit(tmp_path, sample_tree, *NETWORK)
    killed("step", 5, *command)
    killed("step", 8, *command, "--data.num_workers=2")
    folder = only_run(tmp_path)
    assert newest_good(folder.checkpoints, set_bad_aside=False)[0].name == "resume-0000000009.ckpt"
    killed("replace", 5, *command)  # four files at the start, then the checkpoint of step 12
    assert list(folder.checkpoints.glob(".*.tmp")), "the kill was meant to cut off a checkpoint"
    killed("finish", 1, *command)
    last = main(*command)

    assert start_of(last.stdout) == ("resume-0000000024.ckpt", 24), last.stdout
    names = [None, *(f"resume-{step:010d}.ckpt" for step in (3, 9, 9, 24))]
    assert [attempt["resumed_from"] for attempt in folder.read_record().attempts] == names
    assert "already finished" in main(*command).stdout
    assert_same_end(whole, folder)
    assert epochs_in_dashboard(folder) == [(row["epoch"], row["val/acc1"]) for row in whole.read_rows()]
    assert not list(folder.checkpoints.glob(".*.tmp"))


def test_two_processes_killed(tmp_path, sample_tree):
    """In between another number of processes is refused in mid-epoch, and nothing is lost."""
    one = [*NETWORK, NO_DASHBOARD]
    two = [*one, "--trainer.devices=2", "--trainer.strategy=ddp"]
    main(*fit(tmp_path / "whole", sample_tree, *two))
    command = fit(tmp_path / "killed", sample_tree, *two)
    killed("step", 12, *command, "--data.num_workers=2")
    refused = main(*fit(tmp_path / "killed", sample_tree, *one), check=False)
    assert refused.returncode == 2, refused.stdout
    assert "process" in refused.stdout
    last = main(*command)
    assert start_of(last.stdout) == ("resume-0000000009.ckpt", 9), last.stdout
    assert_same_end(only_run(tmp_path / "whole"), only_run(tmp_path / "killed"))


def test_a_segmentation_run_of_a_number_of_steps_killed(tmp_path, sample_streets, caplog):
    """18 images, 4 steps an epoch; 10 steps end in the middle of the third, which is validated all the same.

    In double precision, to which Lightning takes a network after it has loaded the weights.
    """

    def command(root):
        limits = ["--trainer.max_steps=10", "--trainer.max_epochs=50", "--trainer.precision=64-true"]
        return ["fit", *SCENES, *limits, f"--data.root={sample_streets}", f"--run.root={root}"]

    assert main_here(*command(tmp_path / "whole")) == 0
    killed("step", 8, *command(tmp_path / "killed"), "--data.num_workers=2")
    caplog.clear()
    assert main_here(*command(tmp_path / "killed")) == 0
    assert start_of(caplog.text) == ("resume-0000000006.ckpt", 6)
    whole, resumed = only_run(tmp_path / "whole"), only_run(tmp_path / "killed")
    assert_same_end(whole, resumed)
    rows = whole.read_rows()
    assert [row["step"] for row in rows] == [4, 8, 10]
    assert all("val/miou" in row for row in rows)
    assert [row["lr"] for row in rows] == pytest.approx([0.05 * (1 - step / 10) for step in (0, 4, 8)])
    assert whole.read_record().finished


def test_checkpoints_by_the_clock_change_no_bit(tmp_path):
    """Every step is late on this clock; with the run without them is compared what two kills and resumes left."""
    tiny_run(tmp_path / "whole", every=0, max_epochs=2)
    for moment in (8, 14):
        with pytest.raises(KilledError):
            tiny_run(tmp_path / "killed", Killer(moment), every=0, max_epochs=2, minutes=1e-9)
        (*_, newest) = sorted((tmp_path / "killed/checkpoints").glob("resume-*.ckpt"))
        assert int(newest.stem[-2:]) in range(1, BATCHES), "saved within the first epoch"
    tiny_run(tmp_path / "killed", every=0, max_epochs=2, minutes=1e-9)
    assert_same_end(RunFolder(tmp_path / "whole"), RunFolder(tmp_path / "killed"))


@pytest.mark.parametrize("how", ["moved", "linked"])
def test_a_run_folder_under_another_path_keeps_the_same_epochs(tmp_path, how):
    """Killed in the last of eight epochs: the best one and the last five are known by then."""
    settings = {"every": 3, "max_epochs": 8}
    killer = Killer()
    tiny_run(tmp_path / "whole", killer, **settings)
    last = [moment for moment, name in enumerate(killer.names) if name == "train_epoch_start"][-1]
    with pytest.raises(KilledError):
        tiny_run(tmp_path / "killed", Killer(last + 9), **settings)
    if how == "moved":
        (tmp_path / "killed").rename(tmp_path / "other")
    else:
        (tmp_path / "other").symlink_to("killed")
    tiny_run(tmp_path / "other", **settings)
    assert_same_end(RunFolder(tmp_path / "whole"), RunFolder(tmp_path / "other"))
    kept = {path.name for path in (tmp_path / "other/checkpoints").glob("[!r]*")}
    assert kept == {"best.ckpt", *(f"epoch-{epoch:03d}.ckpt" for epoch in range(3, 8))}


def sgd(**settings):
    return torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], **{"lr": 0.1, "momentum": 0.9} | settings)


PLAIN = sgd, None
STEPS = sgd, partial(schedules.MultiStepLR, milestones=[2, 4])
CYCLE = sgd, partial(schedules.OneCycleLR, max_lr=0.2, total_steps=9)
PLATEAU = sgd, partial(schedules.ReduceLROnPlateau, patience=0)


@pytest.mark.parametrize(
    ("before", "now", "differs"),
    [
        *((recipe, recipe, None) for recipe in (PLAIN, STEPS, CYCLE, PLATEAU)),
        (PLAIN, (partial(sgd, lr=0.2), None), "lr: 0.1 -> 0.2"),
        (STEPS, (partial(sgd, weight_decay=0.1), STEPS[1]), "weight_decay: 0 -> 0.1"),
        (STEPS, (sgd, partial(schedules.MultiStepLR, milestones=[3])), "milestones: [2, 4] -> [3]"),
        (CYCLE, (sgd, partial(schedules.OneCycleLR, max_lr=0.2, total_steps=8)), "total_steps: 9 -> 8"),
        (PLAIN, (lambda: torch.optim.AdamW([torch.zeros(1)], lr=0.1), None), "nesterov -> amsgrad"),
        (PLATEAU, STEPS, "threshold_mode -> base_lrs"),
        (STEPS, PLAIN, "schedules: 1 -> 0"),
    ],
)
def test_a_checkpoint_of_another_recipe_is_refused_and_one_that_moved_on_is_not(before, now, differs):
    """Its optimiser and schedule hold their settings, which would win over the options' in silence."""

    def fresh(make, schedule):
        optimizer = make()
        return optimizer, [SimpleNamespace(scheduler=schedule(optimizer))] if schedule else []

    optimizer, configs = fresh(*before)
    for epoch in range(3):
        optimizer.step()
        for each in configs:
            each.scheduler.step(*[epoch] * (before == PLATEAU))
    states = [optimizer.state_dict()], [each.scheduler.state_dict() for each in configs]
    for state in states[1]:
        state["verbose"] = state.pop("_is_initial", False)  # as torch 2.6 saved it
    optimizer, configs = fresh(*now)
    trainer = SimpleNamespace(optimizers=[optimizer], lr_scheduler_configs=configs, ckpt_path="FILE")
    (check := SameRecipe()).on_load_checkpoint(
        trainer, None, dict(zip(("optimizer_states", "lr_schedulers"), states, strict=True))
    )
    with pytest.raises(UserError, match="init_from=FILE") if differs else contextlib.nullcontext() as refused:
        check.on_fit_start(trainer, None)
    for words in differs.split(" -> ") if differs else ():
        assert words in str(refused.value)


@pytest.mark.slow
def test_forked_processes_agree_on_the_best_epoch_that_is_left(tmp_path):
    """The first one alone looks at the files. Lightning hands weights back by a file that is no checkpoint of a run."""

    def two_processes(root):
        # Forked from a fresh one: the threads of this process, which computed before, would be missing in them.
        source = "import sys; from pathlib import Path; from tests.training.loops.tiny_run import tiny_run; "
        source += "tiny_run(Path(sys.argv[1]), devices=2, strategy='ddp_fork', every=2)"
        subprocess.run([sys.executable, "-c", source, root], cwd=ROOT, check=True)

    two_processes(tmp_path / "whole")
    shutil.copytree(tmp_path / "whole", tmp_path / "damaged")
    folder = tmp_path / "damaged/checkpoints"
    max(folder.glob("resume-*.ckpt")).unlink()
    (folder / "best.ckpt").write_bytes(b"")
    two_processes(tmp_path / "damaged")
    assert (folder / "best.ckpt.bad").exists()
    (folder / "best.ckpt.bad").unlink()
    assert_same_end(RunFolder(tmp_path / "whole"), RunFolder(tmp_path / "damaged"))


@pytest.mark.parametrize("late", [False, True])
def test_processes_agree_on_the_step_of_a_checkpoint_by_the_clock(tmp_path, late):
    """Another process is late by its clock, or none is; this one never is."""
    asked, saved = [], []
    checkpoint = ResumeCheckpoint(tmp_path, 7, StopSignal(), every_minutes=60)
    strategy = SimpleNamespace(reduce_boolean_decision=lambda over, all: asked.append((over, all)) or late)
    trainer = SimpleNamespace(world_size=2, strategy=strategy, is_global_zero=False, should_stop=False)
    trainer.save_checkpoint = lambda path, **_: saved.append(int(path.stem[-2:]))
    checkpoint.signal.requested = lambda *_: False
    for trainer.global_step in range(1, 31):
        checkpoint._step_done(trainer)
    assert asked == [(False, False)] * 3
    assert saved == sorted([7, 14, 21, 28, *([10, 20, 30] if late else [])])
