"""The studies of segmentation runs, in the order of the paper: sections 4.2 and 4.2.1."""

from studies.segmentation import (
    border_evaluation,
    distance_to_border,
    picture_sections,
    split_accuracy,
    tile_evaluation,
)

TESTED = (tile_evaluation.study, border_evaluation.study, distance_to_border.study, picture_sections.study)
"""Of what `test` counted and of pictures; each from a collection and the output folder to a Section, or None."""

STUDIES = (split_accuracy.study, *TESTED)
"""With Table 5, which is of the rows alone."""
