"""Callbacks of the Trainer: rows of metrics, loggers, checkpoints, predictions, and stopping without losing work."""

from training.callbacks.dashboard import Dashboard
from training.callbacks.finite_loss import FiniteLoss
from training.callbacks.kept_epochs import best_and_last_epochs
from training.callbacks.predictions import prediction_writer
from training.callbacks.progress_bar import ProgressBar
from training.callbacks.run_recorder import EpochLines, RunRecorder
from training.callbacks.skipped_images import SkippedImages
from training.callbacks.stop_signal import StopSignal

__all__ = [
    "Dashboard",
    "EpochLines",
    "FiniteLoss",
    "ProgressBar",
    "RunRecorder",
    "SkippedImages",
    "StopSignal",
    "best_and_last_epochs",
    "prediction_writer",
]
