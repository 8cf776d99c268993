"""`main.py inpaint-demo`: draws holes in an image and shows how partial convolutions close them."""

import argparse
import io
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from records.errors import UserError
from studies.runs.command import cannot_write, say

if TYPE_CHECKING:
    from PIL.Image import Image

DESCRIPTION = """\
Draws holes in an image, and shows how partial convolutions close them layer by layer (Eq. 1 to 3 of the paper), beside
plain convolutions with the same weights. Needs no data, no GPU, no training: the kernel is a fixed average."""

EPILOG = """\
Writes inpaint_demo.png; a new call replaces it, and says so.
exit status: 0, or 2 for bad input."""

PICTURE = "inpaint_demo.png"

LONGEST = 320
"""Pixels of the image's longer side: a layer's step stays visible, and everything takes seconds."""

HOLES = ("strokes", "boxes", "centre")


def main(arguments: list[str]) -> int:
    """Draws and writes the picture; returns the exit status. Raises UserError for bad input."""
    options = make_options().parse_args(arguments)
    # Imported late: --help need not wait for torch.
    import numpy as np
    import torch

    from evaluation.pictures.holes import draw_holes
    from studies.inpaint_demo.figure import draw, fill_holes, off_by

    image = read(options.image) if options.image else sample()
    holes = draw_holes(options.holes, image.height, image.width, options.share, options.seed)
    refuse_extremes(holes, options)
    intact = torch.from_numpy(np.array(image)).permute(2, 0, 1)[None].float()
    steps = fill_holes(intact, ~torch.from_numpy(holes)[None, None], options.kernel)
    partial, plain = (off_by(each, intact, steps[0].valid) for each in (steps[-1].partial, steps[-1].plain))
    console = Console()
    say(console, f"{image.height} x {image.width} pixels; the mask is all ones behind layer {len(steps) - 1}")
    say(console, f"off by, mean absolute difference in the holes of 255: partial {partial:.1f}, plain {plain:.1f}")
    write(console, options.output / PICTURE, draw(intact, steps))
    return 0


def make_options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="main.py inpaint-demo",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--image",
        type=Path,
        metavar="FILE",
        help=f"reduced to {LONGEST} pixels where it is larger; default: a street drawn by code",
    )
    parser.add_argument("--holes", choices=HOLES, default="strokes", help="default: strokes")
    parser.add_argument(
        "--share",
        type=share,
        default=0.25,
        metavar="S",
        help="of the image in holes, above 0, below 1; default: 0.25",
    )
    parser.add_argument("--seed", type=seed, default=0, metavar="N", help="of strokes and boxes; default: 0")
    parser.add_argument("--kernel", type=int, choices=(3, 5, 7), default=3, help="of every layer; default: 3")
    parser.add_argument(
        "--output", type=Path, default=Path("runs/inpaint-demo"), metavar="DIR", help="default: runs/inpaint-demo"
    )
    return parser


def share(text: str) -> float:
    """A number above 0 and below 1, for argparse."""
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < 1:
        raise argparse.ArgumentTypeError(f"{text} is no number above 0 and below 1")
    return number


def seed(text: str) -> int:
    """A whole number from 0 on, for argparse."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text} is no whole number from 0 on")
    return int(text)


def sample() -> "Image":
    from PIL import Image

    from datamodules.samples.streets import draw_street

    picture, _ = draw_street("inpaint", 1, 208, LONGEST, ("person",))
    return Image.fromarray(picture)


def read(path: Path) -> "Image":
    """The image as it is meant to be seen, reduced to LONGEST.

    Raises:
        DataError: the file is missing, or no image.
    """
    from PIL import ImageOps

    from datamodules.loading.decode import read_image

    todo = "Name an image file such as a JPEG or PNG with --image, or leave it out."
    image = read_image(str(path), lambda file: ImageOps.exif_transpose(file).convert("RGB"), todo)
    image.thumbnail((LONGEST, LONGEST))
    return image


def refuse_extremes(holes, options: argparse.Namespace) -> None:
    if holes.any() and not holes.all():
        return
    found = (
        "leaves nothing but holes, which never close; choose a smaller"
        if holes.any()
        else "leaves no hole; choose a larger"
    )
    raise UserError(f"--share {options.share} of {holes.shape[0]} x {holes.shape[1]} pixels {found} share")


def write(console: Console, file: Path, picture) -> None:
    """Writes the PNG and says whether it is new. Raises UserError if it cannot be written."""
    from PIL import Image

    from records.atomic import write_atomically

    encoded = io.BytesIO()
    Image.fromarray(picture).save(encoded, "PNG", optimize=True)
    said = "replaced" if file.exists() else "wrote"
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(file, lambda target: target.write(encoded.getvalue()))
    except OSError as error:
        raise cannot_write(file.parent, error) from None
    say(console, f"{said} {shlex.quote(str(file))}")
