"""Steps, epochs, validations in every combination: a killed run ends with the same bits, rows are of whole epochs."""

import random
from itertools import pairwise

import pytest
import torch
from pytorch_lightning.callbacks import Callback, EarlyStopping, EMAWeightAveraging, Timer

from records import RunFolder
from tests.support.program import NO_DASHBOARD, fit, main_here, only_run
from tests.support.same_end import assert_same_end
from tests.training.loops.tiny_run import BATCHES, MONITOR, KilledError, Killer, tiny_run

WITHIN = {"check_val_every_n_epoch": None}

SETTINGS = [
    {"max_epochs": 3},
    {"max_epochs": 4, "check_val_every_n_epoch": 2, "every": 3},
    {"max_steps": 21},
    {"max_steps": 7, "max_epochs": 2, "every": 0},
    {"max_steps": 17, "max_epochs": 50, "accumulate_grad_batches": 2, "check_val_every_n_epoch": 3},
    {"max_steps": 9, "val_check_interval": 3},
    {"max_steps": 12, "val_check_interval": 0.5, "every": 3},
    {"max_steps": 18, "val_check_interval": 10, **WITHIN},
    {"max_epochs": 4, "val_check_interval": 10, "every": 2, **WITHIN},
    {"max_steps": 20, "limit_val_batches": 0},
    {"max_steps": 11, "limit_train_batches": 5, "limit_val_batches": 2, "val_check_interval": 1},
    {"max_epochs": 3, "limit_train_batches": 0.6, "accumulate_grad_batches": 3, "val_check_interval": 2},
    {"max_epochs": 2, "val_check_interval": 6, "accumulate_grad_batches": 9, "num_sanity_val_steps": 2},
]


@pytest.fixture(autouse=True)
def _no_waiting_for_the_disk(monkeypatch):
    monkeypatch.setattr("os.fsync", lambda _: None)


def killed_and_resumed(root, settings, moments):
    """The run, killed at the given hooks of one attempt after another."""
    for moment in moments:
        with pytest.raises(KilledError):
            tiny_run(root, Killer(moment), **settings)
    tiny_run(root, **settings)
    return RunFolder(root)


def check_kills(tmp_path, settings, kills):
    killer = Killer()
    tiny_run(tmp_path / "whole", killer, **settings)
    whole, draw = RunFolder(tmp_path / "whole"), random.Random(0)
    assert whole.read_record().finished
    # Before the first validation, and at an epoch's end before and after the resume checkpoint is written.
    ends = [moment for moment, name in enumerate(killer.names) if name in ("train_epoch_end", "fit_end")]
    first = [
        at for at, pair in enumerate(pairwise(killer.names)) if pair == ("train_batch_end", "validation_batch_end")
    ]
    for number, moment in enumerate([*first[:1], ends[1], *draw.sample(range(len(killer.names)), kills), *ends[-3:-1]]):
        resumed = killed_and_resumed(tmp_path / str(number), settings, [moment])
        assert_same_end(whole, resumed), (moment, killer.names[moment])
        assert resumed.read_record().finished


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_a_killed_run_ends_with_the_same_bits(settings, tmp_path):
    check_kills(tmp_path, settings, 1)


@pytest.mark.slow
@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_a_run_killed_anywhere_ends_with_the_same_bits(settings, tmp_path):
    check_kills(tmp_path, settings, 40)


@pytest.mark.parametrize("settings", [{"every": 0, "val_check_interval": 3}, {"max_steps": 10}], ids=str)
def test_a_kill_in_a_validation_costs_no_step(settings, tmp_path):
    killer = Killer()
    tiny_run(tmp_path / "whole", killer, **settings)
    steps = killer.names.count("train_batch_end")
    moments = [moment for moment, name in enumerate(killer.names) if name == "validation_batch_end"]
    for moment in (moments[1], moments[-1]):
        root, before, rest = tmp_path / str(moment), killer.names[:moment], Killer()
        with pytest.raises(KilledError):
            tiny_run(root, Killer(moment), **settings)
        tiny_run(root, rest, **settings)
        assert before.count("train_batch_end") + rest.names.count("train_batch_end") == steps
        assert_same_end(RunFolder(tmp_path / "whole"), RunFolder(root))


@pytest.mark.parametrize(
    ("settings", "averages"), [*((each, []) for each in SETTINGS), (SETTINGS[0], [EMAWeightAveraging(decay=0.5)])]
)
def test_rows_and_the_best_epoch_hold_figures_of_their_own_weights(settings, averages, tmp_path):
    """A row has figures of the weights at the epoch's end or none, and the best epoch is chosen by these."""
    tiny_run(tmp_path, None, *averages, **settings)
    folder = RunFolder(tmp_path)
    rows = folder.read_rows()
    validated = {row["epoch"]: row for row in rows if MONITOR in row}
    for path in folder.checkpoints.glob("epoch-*.ckpt"):
        at = torch.load(path, weights_only=True)
        if (row := validated.get(at["epoch"])) is not None:
            assert row["val/weights"] == at["state_dict"]["layer.weight"].double().sum().item()
            assert ("val/rare" in row) == row["step"] % 2
    assert all(not name.startswith("val/") for row in rows if row not in validated.values() for name in row)
    if settings.get("limit_val_batches") == 0:
        assert not validated
        assert not (folder.checkpoints / "best.ckpt").exists()
        return
    assert rows[-1] in validated.values(), "the run's last step is validated"
    best = max(validated.values(), key=lambda row: row[MONITOR])
    assert torch.load(folder.checkpoints / "best.ckpt", weights_only=True)["epoch"] == best["epoch"]


@pytest.mark.parametrize(
    ("settings", "epochs"),
    [
        ({"max_epochs": 5, "check_val_every_n_epoch": 2}, [1, 3, 4]),
        ({"max_epochs": 4, "val_check_interval": 5}, [0, 1, 2, 3]),
        ({"max_epochs": 4, "val_check_interval": 10, **WITHIN}, [1, 2, 3]),
        ({"max_epochs": 4, "val_check_interval": 14, **WITHIN}, [1, 3]),
        ({"max_steps": 9, "max_epochs": 50, "check_val_every_n_epoch": 2}, [1]),
        ({"max_steps": 15, "max_epochs": 50, "check_val_every_n_epoch": 2}, [1, 2]),
    ],
)
def test_which_epochs_are_validated_at_their_ends(settings, epochs, tmp_path):
    """Those within which a validation ran, and the last one."""
    tiny_run(tmp_path, **settings)
    assert [row["epoch"] for row in RunFolder(tmp_path).read_rows() if MONITOR in row] == epochs


class Wish(Callback):
    """Sets `trainer.should_stop` in the `count`-th call of a hook."""

    def __init__(self, hook, count):
        self.left = count
        setattr(self, hook, self._count)

    def _count(self, trainer, *_):
        self.left -= 1
        if self.left == 0:
            trainer.should_stop = True


@pytest.mark.parametrize(
    ("hook", "count", "step", "epochs"),
    [
        ("on_train_batch_end", 3, 2, 0),
        ("on_train_batch_end", 4, 2, 0),
        ("on_train_batch_end", 7, 4, 0),
        ("on_train_batch_start", 9, 5, 1),
        ("on_validation_start", 1, 2, 0),
        ("on_validation_end", 1, 3, 0),
        ("on_validation_end", 2, 4, 1),
        ("on_train_epoch_end", 1, 4, 1),
    ],
)
def test_a_run_that_is_asked_to_stop_is_unfinished_and_goes_on(hook, count, step, epochs, tmp_path):
    """At the next optimiser step it is saved, 2 batches each; a row stands for a whole epoch only."""
    settings = {"accumulate_grad_batches": 2, "val_check_interval": 4, "every": 0}
    with pytest.raises(SystemExit) as left:
        tiny_run(tmp_path / "stopped", None, Wish(hook, count), **settings)
    assert left.value.code == 75
    stopped = RunFolder(tmp_path / "stopped")
    assert not stopped.read_record().finished
    assert max(stopped.checkpoints.glob("resume-*")).name == f"resume-{step:010d}.ckpt"
    assert [row["step"] for row in stopped.read_rows()] == [4] * epochs
    tiny_run(tmp_path / "whole", None, **settings)
    tiny_run(tmp_path / "stopped", None, **settings)
    assert_same_end(RunFolder(tmp_path / "whole"), stopped)


@pytest.mark.parametrize("hook", ["on_train_batch_start", "on_train_batch_end"])
def test_a_validation_behind_the_step_of_a_wish_is_not_lost(hook, tmp_path):
    """It would be missing from what counts validations, as early stopping does."""

    class Validations(Callback):
        def __init__(self):
            self.steps = []

        def on_validation_end(self, trainer, *_):
            self.steps.append(trainer.global_step)

    validations = Validations()
    with pytest.raises(SystemExit):
        tiny_run(tmp_path, None, Wish(hook, 3), validations, val_check_interval=3)
    assert max(RunFolder(tmp_path).checkpoints.glob("resume-*")).name == "resume-0000000003.ckpt"
    tiny_run(tmp_path, None, validations, val_check_interval=3)
    assert validations.steps == [3, 6, 7, 10, 13, 14, 17, 20, 21]


def test_a_wish_in_the_last_epoch_changes_nothing(tmp_path):
    tiny_run(tmp_path, None, Wish("on_train_epoch_end", 3))
    assert RunFolder(tmp_path).read_record().finished


def test_max_time_limits_each_start(tmp_path, monkeypatch):
    """21 steps, each of which takes an hour by this clock: 5 starts of 5 hours."""
    hours = 0

    class Clock(Callback):
        def on_train_batch_start(self, *_):
            nonlocal hours
            hours += 1

    monkeypatch.setattr(Timer, "time_elapsed", lambda self, stage="train": 3600 * hours + self._offset)
    for start in range(1, 6):
        hours = 0
        if start == 5:
            tiny_run(tmp_path, None, Clock(), max_time={"hours": 5}, every=0)
            break
        with pytest.raises(SystemExit):
            tiny_run(tmp_path, None, Clock(), max_time={"hours": 5}, every=0)
    folder = RunFolder(tmp_path)
    assert folder.read_record().finished
    assert [row["step"] for row in folder.read_rows()] == [7, 14, 21]


def stopping_early():
    return EarlyStopping(MONITOR, patience=1, min_delta=100.0, mode="max")


@pytest.mark.parametrize("settings", [{}, {"val_check_interval": 2}, {"min_epochs": 3}], ids=str)
def test_early_stopping_finishes_a_run_at_an_epochs_end(settings, tmp_path):
    settings = {"max_epochs": 6, **settings}
    killer = Killer()
    tiny_run(tmp_path / "whole", killer, stopping_early(), **settings)
    whole = RunFolder(tmp_path / "whole")
    assert whole.read_record().finished
    epochs = {2: 1}.get(settings.get("val_check_interval"), settings.get("min_epochs", 2))
    assert [row["step"] for row in whole.read_rows()] == [BATCHES * (epoch + 1) for epoch in range(epochs)]
    ends = [moment for moment, name in enumerate(killer.names) if name in ("validation_end", "train_epoch_end")]
    for moment in (ends[-3], ends[-1], len(killer.names) - 1):
        root = tmp_path / str(moment)
        with pytest.raises(KilledError):
            tiny_run(root, Killer(moment), stopping_early(), **settings)
        tiny_run(root, None, stopping_early(), **settings)
        assert_same_end(whole, RunFolder(root))
        assert RunFolder(root).read_record().finished


TIMER = "--trainer.callbacks=[{class_path: pytorch_lightning.callbacks.Timer, init_args: {duration: '00:00:00:00'}}]"


@pytest.mark.parametrize(("limit", "stops", "last"), [("--trainer.max_time=00:00:00:00", 1, []), (TIMER, 2, [TIMER])])
def test_the_program_stopped_by_a_time_limit(limit, stops, last, tmp_path, sample_tree, caplog):
    """The same command goes on, and so does one with another `max_time`: it is no part of what the run is.

    Each start makes a step, or the validation behind the last one, however short the time.
    """
    short = ["--trainer.max_epochs=1", "--trainer.limit_train_batches=2", "--trainer.limit_val_batches=1"]
    command = fit(tmp_path, sample_tree, NO_DASHBOARD, *short)
    for step in range(1, stops + 1):
        with pytest.raises(SystemExit) as left:
            main_here(*command, limit)
        assert left.value.code == 75
        assert f"stopped by the time limit in epoch 1, after step {step}, unfinished; checkpoint saved" in caplog.text
        assert not only_run(tmp_path).read_record().finished
    assert main_here(*command, *last) == 0
    assert only_run(tmp_path).read_record().finished
