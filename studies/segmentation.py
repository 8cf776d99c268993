"""The studies of segmentation runs, in the order of the paper: section 4.2 and 4.2.1."""

from studies import border_evaluation, distance_to_border, picture_sections, split_accuracy, tile_evaluation

STUDIES = (
    split_accuracy.study,
    tile_evaluation.study,
    border_evaluation.study,
    distance_to_border.study,
    picture_sections.study,
)
"""Each from a collection and the output folder to a Section, or None where the runs hold nothing for it."""
