"""What happens around training: rows, checkpoints, the dashboard, randomness, and stopping without loss."""

from callbacks.checkpoints import AtomicCheckpointIO, ResumeCheckpoint, best_and_last_epochs
from callbacks.dashboard import Dashboard
from callbacks.keyed_randomness import KeyedRandomness
from callbacks.metric_state import MetricState
from callbacks.predictions import PredictionWriter
from callbacks.run_recorder import RunRecorder
from callbacks.stop_signal import StopSignal

__all__ = [
    "AtomicCheckpointIO",
    "Dashboard",
    "KeyedRandomness",
    "MetricState",
    "PredictionWriter",
    "ResumeCheckpoint",
    "RunRecorder",
    "StopSignal",
    "best_and_last_epochs",
]
