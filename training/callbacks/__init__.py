"""What happens around training: rows, checkpoints, the dashboard, randomness, and stopping without loss."""

from training.callbacks.checkpoints import AtomicCheckpointIO, ResumeCheckpoint, best_and_last_epochs
from training.callbacks.dashboard import Dashboard
from training.callbacks.keyed_randomness import KeyedRandomness
from training.callbacks.last_step import ValidateLastStep
from training.callbacks.metric_state import MetricState
from training.callbacks.overlays import OverlayWriter
from training.callbacks.predictions import PredictionWriter
from training.callbacks.run_recorder import RunRecorder
from training.callbacks.stop_signal import StopSignal

__all__ = [
    "AtomicCheckpointIO",
    "Dashboard",
    "KeyedRandomness",
    "MetricState",
    "OverlayWriter",
    "PredictionWriter",
    "ResumeCheckpoint",
    "RunRecorder",
    "StopSignal",
    "ValidateLastStep",
    "best_and_last_epochs",
]
