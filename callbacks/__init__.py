"""What happens around training: rows, checkpoints, the dashboard, randomness, and stopping without loss."""

from callbacks.checkpoints import AtomicCheckpointIO, ResumeCheckpoint, best_and_last_epochs
from callbacks.dashboard import Dashboard
from callbacks.keyed_randomness import KeyedRandomness
from callbacks.last_step import ValidateLastStep
from callbacks.metric_state import MetricState
from callbacks.overlays import OverlayWriter
from callbacks.predictions import PredictionWriter
from callbacks.run_recorder import RunRecorder
from callbacks.stop_signal import StopSignal

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
