"""`main.py inpaint-demo`: draws holes in an image and shows how partial convolutions close them."""

import shlex
from pathlib import Path
from typing import Literal

from jsonargparse.typing import NonNegativeInt, OpenUnitInterval
from rich.console import Console

from records.atomic import check_writable, write_atomically
from records.errors import UserError
from studies.runs.command import ANOTHER_OUTPUT, say

LONGEST = 320
"""Pixels of the image's longer side: few enough to see a layer's step, and to take seconds."""


def main(
    *,
    image: Path | None = None,
    share: OpenUnitInterval = 0.25,
    seed: NonNegativeInt = 0,
    kernel: Literal[3, 5, 7] = 3,
    output: Path = Path("runs/inpaint-demo"),
) -> int:
    """Draws holes in an image, and shows how partial convolutions close them layer by layer (Eq. 1 to 3 of the paper).

    Shows plain convolutions with the same weights, too. Needs no data, GPU or training: the kernel is a fixed average.

    Writes inpaint_demo.png; a new call replaces it, and says so.

    Args:
        image: image file, reduced to 320 pixels if it is larger; default: a street drawn by code
        share: share of the image in holes, above 0, below 1
        seed: seed of the strokes
        kernel: kernel size of every layer
        output: folder for the picture
    """
    # Imported late: --help need not wait for torch.
    import numpy as np
    import torch
    from PIL import ImageOps

    from datamodules.loading.decode import as_rgb, read_image
    from datamodules.samples.streets import draw_street
    from studies.inpaint_demo.figure import draw, draw_holes, fill_holes, off_by

    file = output / "inpaint_demo.png"
    check_writable(output, ANOTHER_OUTPUT)
    if image:
        todo = "Name an image file such as a JPEG or PNG with --image, or leave it out."
        picture = read_image(str(image), lambda file: as_rgb(ImageOps.exif_transpose(file)), todo)
        picture.thumbnail((LONGEST, LONGEST))  # never enlarges
    else:
        picture = draw_street("inpaint", 1, 208, LONGEST, ("person",))[0]
    intact = torch.from_numpy(np.array(picture)).permute(2, 0, 1)[None].float()
    holes = torch.from_numpy(draw_holes(*intact.shape[2:], share, seed))
    # The share is above 0, so that there is a hole.
    if holes.all():
        raise UserError(f"--share {share} leaves nothing but holes, which never close; choose a smaller share")
    steps = fill_holes(intact, ~holes[None, None], kernel)
    partial, plain = (off_by(each, intact, steps[0].valid) for each in (steps[-1].partial, steps[-1].plain))
    console, (height, width) = Console(), intact.shape[2:]
    say(console, f"{height} x {width} pixels; the mask is all ones behind layer {len(steps) - 1}")
    say(console, f"off by, mean absolute difference in the holes of 255: partial {partial:.1f}, plain {plain:.1f}")
    png, said = draw(intact, steps), "replaced" if file.exists() else "wrote"
    write_atomically(file, lambda target: target.write(png))
    say(console, f"{said} {shlex.quote(str(file))}")
    return 0
