"""What the page of `main.py inpaint-demo` is made of: a function for each section."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from studies.inpaint_demo.figures import as_png, draw_channel, draw_filling, draw_growing, draw_masks, percent
from studies.inpaint_demo.measure import DEEPER, Closing, Errors, Filling, difference, fill_holes, grow, receptive_field
from studies.page import html
from studies.page.section import Section

MARGIN, TINY = 8, 32
"""Of the canvas, and the image's longer side on it, in pixels: so few that a layer's step is seen."""


def point(picture: bytes, errors: Errors, kernel: int, count: int) -> Section:
    """The picture that makes the point, of `count` layers."""
    who = "1 layer averages" if count == 1 else f"each of {count} layers averages"
    caption = (
        f"In both, {who} over {kernel} x {kernel} pixels with the same weights and gives values to the pixels that "
        "become valid there; known pixels stay. The plain convolution averages the zeros of the holes in; the partial "
        f"one leaves them out. {off_by(errors)}"
    )
    alt = "an image with holes, intact, and filled in by plain and by partial convolutions"
    return Section("The same weights, with and without the zeros", html.figure(html.picture(picture, alt), caption))


def off_by(errors: Errors) -> str:
    return (
        "Off by (mean absolute difference from the intact image in the holes, grey levels of 255): partial "
        f"{errors.partial:.1f}, plain {errors.plain:.1f}, one colour for all holes (the mean of what is known) "
        f"{errors.flat:.1f}."
    )


def layers(steps: Sequence[Filling]) -> Section:
    count = len(steps) - 1
    picture = html.picture(as_png(draw_filling(steps)), "masks and both fillings behind some of the layers")
    closes = "1 layer closes" if count == 1 else f"{count} layers close"
    caption = (
        "A part of the image, a quarter as high and as wide, the nearest to half hole. Stride 1, so that every map has "
        f"the image's size; {closes} all holes."
    )
    return Section("Layer by layer", html.figure(picture, caption))


def encoder(valid: Tensor, chain: Sequence[Closing], kernel: int) -> Section:
    """Masks of a chain with strides, and how much of the holes each layer closes."""
    text = (
        "An encoder such as that of the inpainting network (Liu et al. 2018, Image inpainting for irregular holes) "
        "halves the map now and then, after which a layer reaches twice as far into the holes. What Eq. 3 closes is "
        "predicted from the image's mask alone: a position is valid as soon as the square of pixels that it sees holds "
        "a known one. The next column is what the layers did. Both count the holes in the middles of a layer's windows."
    )
    picture = html.picture(as_png(draw_masks(valid, chain)), "masks behind the layers of the chain")
    said = outcome(chain)
    head = ["behind layer", "stride", "map", "sees pixels", "holes that Eq. 3 closes", "holes closed", "valid"]
    rows = [["image", "", _size(valid), "1 x 1", "", "", percent(valid)]]
    strides = [each.stride for each in chain]
    for number, each in enumerate(chain, start=1):
        side, _ = receptive_field(kernel, strides[:number])
        closed = [_closed(mask, each.before) for mask in (each.predicted, each.valid)]
        seen = f"{side} x {side}"
        rows.append([f"{number}", f"{each.stride}", _size(each.valid), seen, *closed, percent(each.valid)])
    body = html.paragraph(text) + html.figure(picture, f"{said[0].upper()}{said[1:]}.") + html.table(head, rows)
    return Section("The mask in an encoder", body)


def outcome(chain: Sequence[Closing]) -> str:
    """Behind which layer the mask is all ones, or what is left of the holes."""
    strides, last = " ".join(str(each.stride) for each in chain), chain[-1].valid
    if last.all():
        return f"strides {strides}: the mask is all ones behind layer {len(chain)}"
    left = f"{percent(~last)} of the map are holes behind layer {len(chain)}"
    return f"strides {strides}: {left}; longer --strides close the rest"


def channel(image: Tensor, valid: Tensor, kernel: int) -> Section:
    """The holes in red alone, with a mask of three channels."""
    mask = torch.ones(1, 3, *valid.shape, dtype=torch.bool)
    mask[0, 0] = valid
    steps = fill_holes(image[None], mask, kernel)
    plain, partial = (difference(each, image[None], mask) for each in (steps[-1].plain, steps[-1].partial))
    words = ["holes in red only", f"plain: red off by {plain:.1f}", f"partial: red off by {partial:.1f}"]
    picture = html.picture(as_png(draw_channel(steps, words)), "holes in the red channel, filled in twice")
    caption = (
        "The mask has a channel for each of the image's: green and blue are known everywhere, and stay as they are."
    )
    return Section("A hole in one channel", html.figure(picture, caption))


def canvas(image: Tensor, kernel: int) -> Section:
    """The "case of big padding size" of section 3."""
    scale = min(1.0, TINY / max(image.shape[1:]))
    size = [max(1, round(scale * side)) for side in image.shape[1:]]
    steps = grow(F.interpolate(image[None], size, mode="area")[0], MARGIN, kernel)
    picture = html.picture(as_png(draw_growing(steps)), "an image growing over its canvas")
    caption = (
        f"{size[0]} x {size[1]} pixels on a canvas of {size[0] + MARGIN} x {size[1] + MARGIN}, as in a batch of images "
        f"of different sizes. Each layer adds the kernel's reach, {reach(kernel)}, below and at the right (Eq. 3; "
        f'padding.forward_masked with rule="grow"); behind layer {len(steps) - 1} the canvas is valid. Here known '
        "pixels are averaged as well, as in any network."
    )
    return Section("An image smaller than its canvas", html.figure(picture, caption))


def limits(errors: Errors, kernel: int, count: int) -> Section:
    points = [
        f"Inpainting. Nothing here is trained: a fixed {kernel} x {kernel} kernel of equal weights smears the rim of a "
        "hole over it. A trained network learns what to put there; its masks close in the same way.",
        "The plain convolution at its best. Where every layer computes all pixels of the holes anew, with the known "
        f"ones kept, {count} are off by {errors.anew:.1f} and {DEEPER * count} by {errors.deeper:.1f}; and a network "
        "can learn to work around zeros.",
        "Other kernels. The ratio counts positions and not their weights, so Eq. 1 is an exact mean for equal weights "
        "only.",
    ]
    return Section("What this does not show", html.bullets(points))


def reach(kernel: int) -> str:
    return "1 pixel" if kernel == 3 else f"{kernel // 2} pixels"


def _closed(valid: Tensor, before: Tensor) -> str:
    """Of the positions that were holes, how many are valid now."""
    return "the stride skips all" if before.all() else percent(valid[~before])


def _size(mask: Tensor) -> str:
    return f"{mask.shape[0]} x {mask.shape[1]}"
