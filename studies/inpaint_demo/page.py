"""The page of `main.py inpaint-demo`, and what the terminal says of it."""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from studies.inpaint_demo import sections as inpainting_sections
from studies.inpaint_demo.figures import as_png, draw_point
from studies.inpaint_demo.measure import close_holes, fill_holes, measure
from studies.page import html

TITLE = "How holes close behind partial convolutions"


@dataclass(frozen=True)
class Demonstration:
    """What is shown.

    Attributes:
        page: HTML that needs no other file.
        picture: PNG of the picture that makes the point.
        summary: lines for a terminal.
    """

    page: str
    picture: bytes
    summary: list[str]


def demonstrate(image: Tensor, valid: Tensor, words: str, kernel: int, strides: Sequence[int]) -> Demonstration:
    """Fills an image in and follows its mask.

    Args:
        image: (3, H, W), 0 to 255.
        valid: (H, W) bool, False in a hole.
        words: which image and holes these are.
        kernel: of all layers, odd.
        strides: of the layers whose masks are followed.

    Raises:
        ValueError: without a hole, or with nothing but holes.
    """
    image = image.float()
    steps, chain = fill_holes(image[None], valid[None, None], kernel), close_holes(valid, kernel, strides)
    errors, count = measure(image[None], steps, kernel), len(steps) - 1
    picture = as_png(draw_point(image, steps, errors))
    sections = [
        inpainting_sections.point(picture, errors, kernel, count),
        inpainting_sections.layers(steps),
        inpainting_sections.encoder(valid, chain, kernel),
        inpainting_sections.channel(image, valid, kernel),
        inpainting_sections.canvas(image, kernel),
        inpainting_sections.limits(errors, kernel, count),
    ]
    summary = [
        f"stride 1: the mask is all ones behind layer {count}",
        inpainting_sections.outcome(chain),
        inpainting_sections.off_by(errors),
    ]
    return Demonstration(html.page(TITLE, _lead(words, kernel), sections), picture, summary)


def _lead(words: str, kernel: int) -> str:
    explained = (
        "A partial convolution reads what is valid in its window and nothing else, and scales the sum by window over "
        "valid positions (Eq. 1 and 2 of Liu et al. 2018). A position behind it is valid if its window held anything "
        f"valid (Eq. 3). So a {kernel} x {kernel} layer closes every hole by {inpainting_sections.reach(kernel)} all "
        "around, and after enough layers there is none left."
    )
    return html.paragraph(words, "muted") + html.paragraph(explained)
