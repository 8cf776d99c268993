"""Lightning modules: loss, metrics, optimiser and schedule for a network that is converted to a padding scheme."""

from lightning_modules.classification import ClassificationModule
from lightning_modules.errors import ModelError
from lightning_modules.segmentation import SegmentationModule
from lightning_modules.warmup_cosine import WarmupCosine

__all__ = ["ClassificationModule", "ModelError", "SegmentationModule", "WarmupCosine"]
