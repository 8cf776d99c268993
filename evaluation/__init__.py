"""Evaluates semantic segmentation, above all near the border: sections 4.2 and 4.2.1 of the paper.

Partial Convolution based Padding, https://arxiv.org/abs/1811.11718. Pure functions on tensors that import only torch:
positions of tiles, scores from tiles, pixels near the border, confusion matrices grouped by position, and the values of
Tables 5 to 7. `evaluation.pictures` draws class maps with numpy and Pillow.
"""

from evaluation.border import centre_box, check_edges, distance_groups, distance_to_border, leave_out_bands
from evaluation.confusion import class_iou, confusion_matrix, mean_iou
from evaluation.errors import EvaluationError
from evaluation.predict import predict_tiled, predict_whole
from evaluation.summary import distance_miou, leave_out_miou
from evaluation.tiles import Box, tile_boxes, tile_starts

__all__ = [
    "Box",
    "EvaluationError",
    "centre_box",
    "check_edges",
    "class_iou",
    "confusion_matrix",
    "distance_groups",
    "distance_miou",
    "distance_to_border",
    "leave_out_bands",
    "leave_out_miou",
    "mean_iou",
    "predict_tiled",
    "predict_whole",
    "tile_boxes",
    "tile_starts",
]
