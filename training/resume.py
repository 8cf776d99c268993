"""Resuming: the steps between a kill and the next training step of the same run, in order.

Before the kill:

1. `KeyedRandomness` reseeds all generators from (seed, epoch, batch, rank) before each batch, and the sampler and the
   transforms draw from (seed, epoch, index). No generator has a state that could be lost.
2. `ResumeCheckpoint` saves every `run.checkpoint_every_n_steps` optimiser steps, every `run.checkpoint_every_minutes`,
   before each validation and at each epoch's end: weights, optimiser, schedule, Lightning's counters; the rows of
   `epochs.csv` (RunRecorder); the sums of the unfinished epoch's metrics (`MetricState`); the position in the data
   (ResumableDataModule.state_dict).
3. `AtomicCheckpointIO` writes the file, with a checksum of all its bytes, under a temporary name, syncs it and renames
   it. The two newest files are kept.

The same command is started again:

4. `training.identity.identify` hashes the settings that decide the result and so finds the run's folder.
5. `training.start.is_finished` compares the settings with those in the folder; if the run has reached its end, the
   program exits. Damaged files count as missing (records.repair).
6. Data and network are built and checked; nothing has been written yet.
7. `training.start.prepare` takes the folder's lock, renames W&B's empty files, and gets from `newest_good` the newest
   checkpoint whose checksum is right and that torch can read; newer bad ones are renamed to `*.bad`.
8. Lightning loads the checkpoint: PaddedNetworkModule.on_load_checkpoint compares the padding scheme,
   ResumableDataModule.load_state_dict compares the settings that decide the samples and restores the position,
   RunRecorder.load_state_dict restores the rows.
9. RunRecorder.on_fit_start calls `training.start.write_attempt`, which renames damaged files, deletes temporary files
   of interrupted writes and adds the attempt to `run.json`: a resume that was refused before has changed nothing. Then
   it writes `epochs.csv` from the checkpoint's rows: epochs that finished after the checkpoint was saved are dropped
   and run again. Dashboard.on_fit_start sends W&B only the epochs that it lacks.
   BestEpoch and LastEpochs compare `best.ckpt` and `epoch-NNN.ckpt` with those rows: a damaged file is renamed;
   `best.ckpt` is restored from its epoch's file or, if that is lost, replaced by the best one left, as `run.json` says.
10. `FitLoop` goes on within the epoch or after a finished one. `MetricState` restores the sums of each process; the
   sampler starts after the last batch that was trained on.
11. `KeyedRandomness` seeds the next batch, and training takes the step that the kill prevented.

On a CPU the run ends bit for bit as if it had not been killed; tests/training/test_resume.py kills runs to check that.
"""

import inspect
import random
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Checkpoint, Timer
from torchmetrics import Metric

from datamodules.loading import keyed
from lightning_modules.exact_mean import ExactMean
from records.errors import UserError
from training.callbacks.stop_signal import AGREE_EVERY, UNFINISHED, StopSignal, leave
from training.checkpoint_files import RESUME_PATTERN
from training.loops import has_converged, is_done

GENERATIONS = 2
"""Number of resume checkpoints kept: if the newest turns out unreadable, a resume takes the one before."""


class ResumeCheckpoint(Checkpoint):
    """Saves the full training state every `every_n_steps` optimiser steps, before validations and at epochs' ends.

    Within an epoch it saves only after an optimiser step, from where the loops of training.loops, which it needs, can
    resume exactly. It must come after all callbacks whose state it saves; Lightning keeps the order among Checkpoints.

    After a save it also ends a run that is to stop early: upon a signal, or if `trainer.max_time` or a callback set
    `trainer.should_stop`. Early stopping that has converged ends the run at the end of the epoch.

    Args:
        folder: folder of the `resume-STEP.ckpt` files.
        every_n_steps: optimiser steps between two checkpoints; 0 saves before validations and at epochs' ends only.
        signal: StopSignal, asked on all processes after every step and epoch whether to save and stop.
        every_minutes: minutes after the last checkpoint until the next step saves one, too; 0 for no clock.
    """

    def __init__(self, folder: Path, every_n_steps: int, signal: StopSignal, every_minutes: float = 0.0) -> None:
        self.folder = folder
        self.every_n_steps = every_n_steps
        self.signal = signal
        self.every_minutes = every_minutes
        self._saved_at = time.monotonic()

    def on_load_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        # A time limit applies to one start of the program: with the restored time every resume would end at once.
        checkpoint.get("callbacks", {}).pop(Timer.__qualname__, None)

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        # True if the run was killed between early stopping and its end. Any other wish to stop before the first step is
        # dropped: a start without progress would be repeated for ever.
        trainer.should_stop = has_converged(trainer)

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.signal.note()

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        loop = trainer.fit_loop.epoch_loop
        if not (loop.ends_now() or loop._should_accumulate() or loop.validation_due()):
            self._step_done(trainer)

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        # Within a gradient accumulation nothing can be saved: a signal waits for the next step.
        if not trainer.sanity_checking and not trainer.fit_loop._should_accumulate():
            self._step_done(trainer, validates=True)
            self.signal.end_validation()

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if not trainer.sanity_checking:
            self.signal.note()

    def _step_done(self, trainer: pl.Trainer, validates: bool = False) -> None:
        # A validation may be long, and a kill or a signal during it must not cost training steps.
        due = validates or (self.every_n_steps and trainer.global_step % self.every_n_steps == 0)
        due = due or self._minutes_are_over(trainer)
        stop = self.signal.requested(trainer, validates)
        if due or stop or _is_wished_to_stop(trainer):
            self._save(trainer)
            self._stop(trainer, stop)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._save(trainer)
        self._stop(trainer, self.signal.requested(trainer, epoch_ends=True))

    def _stop(self, trainer: pl.Trainer, by_signal: bool) -> None:
        if by_signal:
            self.signal.stop(trainer)
        if _is_wished_to_stop(trainer) and not is_done(trainer):
            timers = [each for each in trainer.callbacks if isinstance(each, Timer)]
            by_time = any((left := timer.time_remaining()) is not None and left <= 0 for timer in timers)
            leave(trainer, "the time limit" if by_time else "a callback (trainer.should_stop)", UNFINISHED)

    def _minutes_are_over(self, trainer: pl.Trainer) -> bool:
        """Returns whether `every_minutes` have passed on any process's clock, so that all save at the same step."""
        if not self.every_minutes or (trainer.world_size > 1 and trainer.global_step % AGREE_EVERY):
            return False
        over = time.monotonic() - self._saved_at >= 60 * self.every_minutes
        return trainer.strategy.reduce_boolean_decision(over, all=False)

    def _save(self, trainer: pl.Trainer) -> None:
        self._saved_at = time.monotonic()
        trainer.save_checkpoint(self.folder / f"resume-{trainer.global_step:010d}.ckpt", weights_only=False)
        if trainer.is_global_zero:
            for old in sorted(self.folder.glob(RESUME_PATTERN))[:-GENERATIONS]:
                old.unlink()


def _is_wished_to_stop(trainer: pl.Trainer) -> bool:
    return trainer.should_stop and not has_converged(trainer)


class SameRecipe(pl.Callback):
    """Refuses a checkpoint of --ckpt_path if its optimiser or schedule has other settings than the options give.

    The states in a checkpoint hold settings: training would use these, while config.yaml and the run's id name those of
    the options. Comes before RunRecorder, so that nothing of the run has been written yet.
    """

    def on_load_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        self._optimizers, self._schedules = checkpoint["optimizer_states"], checkpoint["lr_schedulers"]

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        # Lightning restores the states after this hook, so the trainer's optimisers still have the options' settings.
        groups = [
            (old, new)
            for state, optimizer in zip(self._optimizers, trainer.optimizers, strict=False)
            for old, new in zip(state["param_groups"], optimizer.param_groups, strict=False)
        ]
        fresh = [config.scheduler for config in trainer.lr_scheduler_configs]
        changed = [line for old, new in groups for line in _differing(old, new, new.keys() - _moving(new, fresh))]
        for old, schedule in zip(self._schedules, fresh, strict=False):
            # Only the constructor's arguments are settings; other values, such as the best so far, change in training.
            settings = inspect.signature(type(schedule)).parameters.keys() - {"last_epoch"}
            changed += _differing(old, schedule.state_dict(), settings)
        if len(self._schedules) != len(fresh):
            changed.append(f"schedules: {len(self._schedules)} -> {len(fresh)}")
        if changed:
            path = trainer.ckpt_path
            raise UserError(
                f"--ckpt_path: {path} goes on with its own optimiser and schedule, which the options set otherwise "
                f"({'; '.join(dict.fromkeys(changed))}). Give the options it was trained with, or start a training "
                f"from its weights: --model.init_from={path}"
            )


def _moving(group: dict[str, Any], schedules: list[Any]) -> set[str]:
    """Names of an optimiser group's values that schedules change, or that decide only how fast it computes."""
    cycled = {"momentum", "betas"} if "max_momentum" in group else set()  # OneCycleLR and CyclicLR change these
    return cycled | {"params", "fused", "foreach", "capturable"} | ({"lr"} if schedules else set())


def _differing(old: dict[str, Any], new: dict[str, Any], names: Iterable[str]) -> list[str]:
    """Lists the settings `names` that differ in two states of an optimiser or schedule, as `name: old -> new`.

    New versions of torch add settings, and 2.7 dropped `verbose`, so a setting that one state lacks does not count. If
    each state lacks some of the other's, they belong to different classes, and the missing names are listed.
    """
    if (gone := old.keys() - new.keys() - {"verbose"}) and (come := new.keys() - old.keys()):
        return [f"{', '.join(sorted(gone))} -> {', '.join(sorted(come))}"]
    found = [name for name in sorted(names) if name in old and name in new and old[name] != new[name]]
    return [f"{name.removeprefix('initial_')}: {_shown(old[name])} -> {_shown(new[name])}" for name in found]


def _shown(value: Any) -> Any:
    return sorted(value.elements()) if isinstance(value, Counter) else value  # MultiStepLR's milestones are a Counter


class KeyedRandomness(pl.Callback):
    """Reseeds the generators of torch, NumPy and Python from (seed, epoch, batch, rank) before each training batch.

    So a resumed run draws the same dropout masks as one that was not killed. Costs about 50 µs per batch.

    Args:
        seed: seed of the run.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        bits = keyed.philox(self.seed, "train", trainer.current_epoch, batch_idx, trainer.global_rank)
        _seed_torch(int(bits.random_raw() >> 1), pl_module.device)
        np.random.seed(int(bits.random_raw() >> 32))
        random.seed(int(bits.random_raw()))


def _seed_torch(seed: int, device: torch.device) -> None:
    """Seeds the CPU's generator and that of `device`.

    torch.manual_seed also records a traceback for every kind of device that is not in use: a millisecond per step.
    """
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        torch.cuda.manual_seed(seed)
    elif device.type != "cpu":
        torch.manual_seed(seed)


class MetricState(pl.Callback):
    """Saves the sums of the unfinished epoch's metrics and restores them on each process, which Lightning does not do.

    Saving gathers from all processes, so all of them must save the checkpoint, as Trainer.save_checkpoint does.
    """

    def __init__(self) -> None:
        self._restored: list[dict[str, Any]] | None = None

    def on_save_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        mine = {name: _state(metric) for name, metric in _metrics(pl_module)}
        checkpoint["metric_states"] = _gather(mine, trainer.world_size)

    def on_load_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        self._restored = checkpoint.get("metric_states")

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if self._restored is None:
            return
        # With another number of processes a run resumes only between epochs, where the sums start at 0.
        mine = self._restored[trainer.global_rank] if len(self._restored) == trainer.world_size else {}
        for name, metric in _metrics(pl_module):
            if name in mine:
                _restore(metric, mine[name])
        self._restored = None


def _metrics(module: pl.LightningModule) -> list[tuple[str, Metric]]:
    return [(name, child) for name, child in module.named_modules() if isinstance(child, Metric)]


def _state(metric: Metric) -> dict[str, Any]:
    # Cloned: a metric updates its state in place, perhaps while the checkpoint is still being written.
    values = {name: getattr(metric, name).detach().cpu().clone() for name in metric._defaults}
    return {"updates": metric._update_count, "values": values}


def _restore(metric: Metric, state: dict[str, Any]) -> None:
    values = {name: value.to(metric.device) for name, value in state["values"].items()}
    if isinstance(metric, ExactMean) and "total" not in values:
        metric.take_up(values)
        values = {}
    for name, value in values.items():
        setattr(metric, name, value)
    metric._update_count = state["updates"]
    metric._computed = None


def _gather(mine: dict[str, Any], world_size: int) -> list[dict[str, Any]]:
    if world_size == 1:
        return [mine]
    everyone: list[Any] = [None] * world_size
    torch.distributed.all_gather_object(everyone, mine)
    return everyone
