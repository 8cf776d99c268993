"""`main.py inpaint-demo`: draws holes in an image and shows layer by layer how the mask closes."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from jsonargparse.typing import NonNegativeInt, OpenUnitInterval
from rich.console import Console

from records.errors import UserError
from studies.runs.command import cannot_write, say

if TYPE_CHECKING:
    from PIL.Image import Image

PAGE, PICTURE = "inpaint_demo.html", "inpaint_demo.png"

LONGEST = 320
"""Pixels of the image's longer side: a layer's step stays visible, and everything takes seconds."""


def main(
    *,
    image: Path | None = None,
    holes: Literal["strokes", "boxes", "centre"] = "strokes",
    share: OpenUnitInterval = 0.25,
    seed: NonNegativeInt = 0,
    kernel: Literal[3, 5, 7] = 3,
    strides: tuple[Literal[1, 2], ...] = (1, 2) * 5,
    output: Path = Path("runs/inpaint-demo"),
) -> int:
    """Draws holes in an image, and shows layer by layer how partial convolutions close them (Eq. 1 to 3 of the paper).

    Beside a plain convolution with the same weights. Needs no data, no GPU, no training: the kernel is a fixed average.

    Writes inpaint_demo.html, one page that opens offline, and inpaint_demo.png, the picture that makes the point. A new
    call replaces these two, and says so.

    Args:
        image: reduced to 320 pixels where it is larger; default: a street drawn by code
        holes: how they are drawn
        share: of the image in holes, above 0, below 1
        seed: of strokes and boxes
        kernel: of every layer
        strides: 1 or 2 for each layer of the chain whose masks are followed
        output: where to write
    """
    # Imported late: --help need not wait for torch.
    import numpy as np
    import torch

    from evaluation.pictures.holes import draw_holes
    from studies.inpaint_demo.page import demonstrate

    picture, name = read(image) if image else (sample(), "A street drawn by code")
    drawn = draw_holes(holes, picture.height, picture.width, share, seed)
    refuse_extremes(drawn, share)
    pixels = torch.from_numpy(np.array(picture)).permute(2, 0, 1)
    words = f"{name}, {picture.height} x {picture.width} pixels; {holes}"
    words += "." if holes == "centre" else f", seed {seed}."
    shown = demonstrate(pixels, ~torch.from_numpy(drawn), words, kernel, strides)
    console = Console()
    for line in shown.summary:
        say(console, line)
    write(console, output, {PAGE: shown.page.encode(), PICTURE: shown.picture})
    return 0


def sample() -> "Image":
    from PIL import Image

    from datamodules.samples.streets import draw_street

    picture, _ = draw_street("inpaint", 1, 208, LONGEST, ("person",))
    return Image.fromarray(picture)


def read(path: Path) -> "tuple[Image, str]":
    """The image as it is meant to be seen, reduced to LONGEST, and its name.

    Raises:
        DataError: the file is missing, or no image.
    """
    from PIL import ImageOps

    from datamodules.loading.decode import read_image

    todo = "Name an image file such as a JPEG or PNG with --image, or leave it out."
    image = read_image(str(path), lambda file: ImageOps.exif_transpose(file).convert("RGB"), todo)
    image.thumbnail((LONGEST, LONGEST))
    return image, path.name


def refuse_extremes(holes, share: float) -> None:
    height, width = holes.shape
    if not holes.any():
        raise UserError(f"--share {share} of {height} x {width} pixels leaves no hole; choose a larger share")
    if holes.all():
        raise UserError(
            f"--share {share} of {height} x {width} pixels leaves nothing but holes, which never close; choose "
            "a smaller share"
        )


def write(console: Console, folder: Path, files: dict[str, bytes]) -> None:
    """Writes the files and says of each whether it is new. Raises UserError if the folder cannot be written."""
    from records.atomic import write_atomically

    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            said = "replaced" if (folder / name).exists() else "wrote"
            write_atomically(folder / name, lambda target, content=content: target.write(content))
            say(console, f"{said} {shlex.quote(str(folder / name))}")
    except OSError as error:
        raise cannot_write(folder, error) from None
