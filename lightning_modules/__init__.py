"""What is trained: loss, metrics, optimiser and schedule around a network patched with a padding scheme."""

from lightning_modules.classification import ClassificationModule
from lightning_modules.errors import ModelError
from lightning_modules.segmentation import SegmentationModule
from lightning_modules.warmup_cosine import WarmupCosine

__all__ = ["ClassificationModule", "ModelError", "SegmentationModule", "WarmupCosine"]
