"""Keeps the weights of the best epoch and of the last epochs."""

import shutil
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import ModelCheckpoint, WeightAveraging
from pytorch_lightning.utilities.rank_zero import rank_zero_info

from records.atomic import set_aside, write_atomically
from records.summary import LAST, is_sound, values
from training.callbacks.run_recorder import RunRecorder
from training.checkpoint_files import CheckpointError, read_checkpoint

BEST, EPOCHS = "best.ckpt", "epoch-*.ckpt"


class KeptEpochs(ModelCheckpoint):
    """Saves weights at the ends of epochs; skips an epoch without `monitor`, which was not validated at its end.

    After a resume the kept epochs follow from the rows and the files: Lightning's own state holds absolute paths, and
    forgets the best score if the folder is another one. A damaged file is renamed. A missing one is copied from the
    folder of the checkpoint that training starts from, if that is another folder (--ckpt_path).

    All files are read before RunRecorder writes anything, so that a file that the system cannot read leaves no trace.

    Args:
        recorder: callback that holds the rows and the run's folder.
        pattern: pattern of the file names.
        read: cache shared by the callbacks: file to its (epoch, step), or to the error of reading it.
    """

    def __init__(
        self, recorder: RunRecorder, pattern: str, read: dict[Path, tuple[int, int] | CheckpointError], **settings: Any
    ) -> None:
        settings |= {"save_weights_only": True, "auto_insert_metric_name": False, "mode": "max"}
        settings |= {"save_on_train_epoch_end": True, "enable_version_counter": False}
        super().__init__(dirpath=recorder.folder.checkpoints, **settings)
        self.recorder, self.pattern, self._read = recorder, pattern, read

    @property
    def state_key(self) -> str:
        # Checkpoints of early versions hold the state of Lightning's own class.
        return super().state_key.replace(type(self).__qualname__, ModelCheckpoint.__qualname__)

    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        return

    def on_load_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        if trainer.is_global_zero:
            for path in self._paths(_source(trainer), self.pattern):
                self._position(path)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if self.monitor not in self._monitor_candidates(trainer):
            return
        # Averaged weights were validated, and Lightning's callback saves them in full checkpoints alone: it swaps them
        # with the current ones meanwhile, as for a validation.
        averages = [each for each in trainer.callbacks if isinstance(each, WeightAveraging)]
        for each in averages:
            each.on_validation_epoch_start(trainer, pl_module)
        super().on_train_epoch_end(trainer, pl_module)
        for each in averages:
            each.on_validation_epoch_end(trainer, pl_module)

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if not self.recorder.rows:
            return
        kept, lines = {}, []
        if trainer.is_global_zero:
            kept = self._settle(_source(trainer), lines)
            self._note(lines)
        kept = trainer.strategy.broadcast(kept)  # all processes must have the same best epoch
        scores = {f"{self.dirpath}/{name}": score for name, score in kept.items()}
        self.best_k_models = {path: torch.tensor(score, dtype=torch.float64) for path, score in scores.items()}
        if kept:
            self.kth_best_model_path = min(self.best_k_models, key=self.best_k_models.__getitem__)
            self.best_model_path = max(self.best_k_models, key=self.best_k_models.__getitem__)
            self.best_model_score = self.best_k_models[self.best_model_path]

    def _settle(self, source: Path, lines: list[str]) -> dict[str, float]:
        """Makes the files match the rows; returns the names and values of the kept files, whether they exist or not.

        Args:
            source: folder of the checkpoint that training starts from.
            lines: list to which messages about problems are added.
        """
        raise NotImplementedError

    def _note(self, lines: list[str]) -> None:
        for line in lines:
            rank_zero_info(line)
        record = self.recorder.folder.read_record()
        if lines and record.attempts:
            record.attempts[-1].setdefault("checkpoints", []).extend(lines)
            self.recorder.folder.write_record(record)

    def _find(self, source: Path, pattern: str, lines: list[str]) -> dict[Path, int]:
        """Maps checkpoints that match `pattern` and a row (epoch and step) to their epochs, the run's own first."""
        rows, found = self.recorder.rows, {}
        for path in self._paths(source, pattern):
            position = self._position(path)
            if isinstance(position, CheckpointError):
                if path.parent == Path(self.dirpath):
                    lines.append(f"{position}".replace("take another one", f"set aside as {set_aside(path).name}"))
                continue
            epoch, step = position
            if epoch < len(rows) and rows[epoch]["step"] == step:
                found[path] = epoch
        return found

    def _paths(self, source: Path, pattern: str) -> list[Path]:
        folders = dict.fromkeys((Path(self.dirpath), source))
        return [path for folder in folders for path in sorted(folder.glob(pattern))]

    def _position(self, path: Path) -> tuple[int, int] | CheckpointError:
        if path not in self._read:
            try:
                content = read_checkpoint(path, mmap=True)
                self._read[path] = content["epoch"], content["global_step"]
            except CheckpointError as error:
                self._read[path] = error
        return self._read[path]

    def _copy(self, source: Path, target: Path) -> None:
        with open(source, "rb") as file:
            write_atomically(target, lambda copy: shutil.copyfileobj(file, copy))
        self._read[target] = self._read[source]  # the cache may hold the error of a damaged file at `target`


def _source(trainer: pl.Trainer) -> Path:
    return Path(trainer.ckpt_path).resolve().parent


class LastEpochs(KeptEpochs):
    """Keeps `epoch-NNN.ckpt` of the last epochs."""

    def _settle(self, source: Path, lines: list[str]) -> dict[str, float]:
        found = {path.name: path for path in reversed(self._find(source, self.pattern, lines))}
        epochs = [int(row["epoch"]) for row in self.recorder.rows][-LAST:]
        names = [f"epoch-{epoch:03d}.ckpt" for epoch in epochs]
        folder = Path(self.dirpath)
        # Before the kill, the file of the epoch that is now run again may have replaced the oldest one.
        pruned = len(names) == LAST and (folder / f"epoch-{epochs[-1] + 1:03d}.ckpt").exists()
        for name in names[pruned:]:
            if name not in found:
                lines.append(f"{folder / name} is lost: the weights of an epoch that is not run again")
            elif found[name].parent != folder:
                self._copy(found[name], folder / name)
        return dict(zip(names, epochs, strict=True))


class BestEpoch(KeptEpochs):
    """Keeps `best.ckpt` of the epoch with the highest value among those that pass `is_sound`."""

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if is_sound(self.recorder.rows[-1]):
            super().on_train_epoch_end(trainer, pl_module)

    def _settle(self, source: Path, lines: list[str]) -> dict[str, float]:
        best = Path(self.dirpath) / BEST
        # As in Lightning, the first of equal epochs is the best.
        scores = dict(values(filter(is_sound, self.recorder.rows), self.monitor))
        wanted = max(scores, key=scores.__getitem__, default=None)
        found = self._find(source, self.pattern, lines)
        if found.get(best) != wanted:
            found |= self._find(source, EPOCHS, [])
        left = {path: scores[epoch] for path, epoch in found.items() if epoch in scores}
        chosen = max(left, key=lambda path: (found[path] == wanted, left[path]), default=None)
        if wanted is not None and (chosen is None or found[chosen] != wanted):
            now = f"{chosen} is the best one left" if chosen else "the best to come is kept"
            lines.append(f"the weights of the best epoch, {wanted}, are lost; {now}")
        if chosen is None and best.exists():
            lines.append(f"{best} is of no recorded epoch; set aside as {set_aside(best).name}")
        elif chosen not in (None, best):
            self._copy(chosen, best)
            lines.append(f"{best} is a copy of {chosen} now")
        return {BEST: left[chosen]} if chosen else {}


def best_and_last_epochs(recorder: RunRecorder, monitor: str) -> list[KeptEpochs]:
    """Callbacks for the paper's two ways of reporting: `best.ckpt` by `monitor`, `epoch-NNN.ckpt` of the last five."""
    read: dict[Path, tuple[int, int] | CheckpointError] = {}
    return [
        LastEpochs(recorder, EPOCHS, read, filename="epoch-{epoch:03d}", monitor="epoch", save_top_k=LAST),
        BestEpoch(recorder, BEST, read, filename="best", monitor=monitor, save_top_k=1),
    ]
