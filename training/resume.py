"""Resuming: what lies between a kill and the next step of the same run, in order.

At any moment before the kill:

1. `KeyedRandomness` reseeds all generators from (seed, epoch, batch, rank) before each batch, and the sampler and the
   transforms draw from (seed, epoch, index). No generator has a state that could be lost.
2. `ResumeCheckpoint` saves everything every `run.checkpoint_every_n_steps` optimiser steps, every
   `run.checkpoint_every_minutes`, and at each epoch's end:
   weights, optimiser, schedule, Lightning's counters; the rows of `epochs.csv` (RunRecorder); the sums of the
   unfinished epoch's metrics (`MetricState`); the position in the data (ResumableDataModule.state_dict).
3. `AtomicCheckpointIO` writes the file, with a checksum over all of it, under a temporary name, syncs it and renames
   it. The two newest files are kept.

The same command is started again:

4. `training.identity.identify` hashes the settings that decide the result and so finds the run's folder.
5. `training.start.is_finished` compares the settings with those in the folder and leaves if the run came to its end.
   What is damaged there counts as missing (records.repair).
6. Data and network are built and checked; nothing has been written yet.
7. `training.start.prepare` takes the folder's lock, sets W&B's empty files aside, and asks `newest_good` for the newest
   checkpoint whose checksum holds and that torch reads; others are renamed to `*.bad`.
8. Lightning loads the checkpoint: PaddedNetworkModule.on_load_checkpoint compares the padding scheme,
   ResumableDataModule.load_state_dict compares what decides the samples and takes up the position,
   RunRecorder.load_state_dict takes up the rows.
9. RunRecorder.on_fit_start lets `training.start.write_attempt` set damaged files aside, delete the temporary files of
   cut-off writes and note the attempt in `run.json`: a resume that was refused until then changed nothing. It writes
   `epochs.csv` from the rows of the checkpoint: epochs that were finished after the checkpoint was saved are dropped,
   and run again. Dashboard.on_fit_start sends W&B only the epochs that it lacks.
   BestEpoch and LastEpochs hold `best.ckpt` and `epoch-NNN.ckpt` against those rows: a damaged file is set aside, the
   best one is restored from its epoch's file or, if that is lost, replaced by the best one left; `run.json` says so.
10. `FitLoop` goes on within the epoch or behind a finished one. `MetricState` gives each process its sums back; the
   sampler starts behind the last batch that was trained on.
11. `KeyedRandomness` seeds that batch, and the next step is the one that the kill prevented.

On a CPU the run then ends bit for bit as if it had not been killed; tests/training/test_resume.py kills runs to see it.
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
"""Resume checkpoints kept: should the newest turn out unreadable, the one before still is."""


class ResumeCheckpoint(Checkpoint):
    """Saves everything that a resumed run needs: every `every_n_steps` optimiser steps, before each validation, and at
    each epoch's end.

    Within an epoch only after an optimiser step, where the loops of training.loops, which it needs, can take up again
    exactly. Must stand behind all callbacks whose state it saves; Lightning keeps the order among Checkpoints.

    There, too, it ends a run that is to stop before its end: upon a signal, or where `trainer.max_time` or a callback
    set `trainer.should_stop`. Early stopping that decided that the run is done ends it at the end of the epoch.

    Args:
        folder: where `resume-STEP.ckpt` files go.
        every_n_steps: optimiser steps between two checkpoints; 0 saves before validations and at epochs' ends only.
        signal: asked after every step and epoch, on all processes, whether to save at once and stop.
        every_minutes: since the last checkpoint, after which the next step saves one, too; 0 looks at no clock.
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
        # A time limit is of one start of the program: counted on, it would end each further one at once.
        checkpoint.get("callbacks", {}).pop(Timer.__qualname__, None)

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        # The run may have been killed between early stopping and its end. Whoever else wants to stop before the first
        # step gets one: a start without progress would be repeated for ever.
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
        # Amid an accumulation nothing can be saved: a signal waits for the next step there.
        if not trainer.sanity_checking and not trainer.fit_loop._should_accumulate():
            self._step_done(trainer, validates=True)
            self.signal.end_validation()

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if not trainer.sanity_checking:
            self.signal.note()

    def _step_done(self, trainer: pl.Trainer, validates: bool = False) -> None:
        # A validation may be long, and a kill or a signal in it must not cost steps.
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
        """Whether they are on the clock of any process: all save at the same step, and a save changes no result."""
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
    """Refuses a checkpoint of --ckpt_path whose optimiser or schedule the options set otherwise.

    Their states hold their settings: training would go on by these, while config.yaml and the run's id name the
    options'. Comes before RunRecorder, so that nothing of the run was written.
    """

    def on_load_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        self._optimizers, self._schedules = checkpoint["optimizer_states"], checkpoint["lr_schedulers"]

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        # Lightning restores them after this hook.
        groups = [
            (old, new)
            for state, optimizer in zip(self._optimizers, trainer.optimizers, strict=False)
            for old, new in zip(state["param_groups"], optimizer.param_groups, strict=False)
        ]
        fresh = [config.scheduler for config in trainer.lr_scheduler_configs]
        changed = [line for old, new in groups for line in _differing(old, new, new.keys() - _moving(new, fresh))]
        for old, schedule in zip(self._schedules, fresh, strict=False):
            # A schedule's other values, such as the best one so far, move with the training.
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
    """What schedules change in an optimiser's group while it trains, and what decides only how fast that computes."""
    cycled = {"momentum", "betas"} if "max_momentum" in group else set()  # by OneCycleLR and CyclicLR
    return cycled | {"params", "fused", "foreach", "capturable"} | ({"lr"} if schedules else set())


def _differing(old: dict[str, Any], new: dict[str, Any], names: Iterable[str]) -> list[str]:
    """Settings of these names in two states of an optimiser or schedule, as `name: old -> new`.

    Versions of torch add settings: one that a state lacks does not count, unless each lacks some of the other's, which
    are of two kinds then.
    """
    if (gone := old.keys() - new.keys()) and (come := new.keys() - old.keys()):
        return [f"{', '.join(sorted(gone))} -> {', '.join(sorted(come))}"]
    found = [name for name in sorted(names) if name in old and name in new and old[name] != new[name]]
    return [f"{name.removeprefix('initial_')}: {_shown(old[name])} -> {_shown(new[name])}" for name in found]


def _shown(value: Any) -> Any:
    return sorted(value.elements()) if isinstance(value, Counter) else value  # MultiStepLR's milestones


class KeyedRandomness(pl.Callback):
    """Reseeds the generators of torch, NumPy and Python from (seed, epoch, batch, rank) before each training batch.

    A resumed run so draws the same dropout masks as one that was not killed. Costs about 50 µs a batch.

    Args:
        seed: the run's seed.
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
    """torch.manual_seed for the CPU and `device` alone: for each kind of device that is not used it notes a traceback,
    a millisecond a step.
    """
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        torch.cuda.manual_seed(seed)
    elif device.type != "cpu":
        torch.manual_seed(seed)


class MetricState(pl.Callback):
    """Saves the sums of the unfinished epoch's torchmetrics, and gives each process its own back: Lightning does not.

    Saving gathers from all processes: a checkpoint must be saved on all of them, as Trainer.save_checkpoint does.
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
        # Another number of processes goes on between epochs alone, where the sums begin anew.
        mine = self._restored[trainer.global_rank] if len(self._restored) == trainer.world_size else {}
        for name, metric in _metrics(pl_module):
            if name in mine:
                _restore(metric, mine[name])
        self._restored = None


def _metrics(module: pl.LightningModule) -> list[tuple[str, Metric]]:
    return [(name, child) for name, child in module.named_modules() if isinstance(child, Metric)]


def _state(metric: Metric) -> dict[str, Any]:
    # Clones: a metric's state is updated in place while the checkpoint may still be written.
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
