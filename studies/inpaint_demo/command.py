"""`main.py inpaint-demo`: draws holes in an image and shows layer by layer how the mask closes."""

import argparse
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from records.errors import UserError
from studies.runs.command import cannot_write, say

if TYPE_CHECKING:
    from PIL.Image import Image

DESCRIPTION = """\
Draws holes in an image, and shows layer by layer how partial convolutions close them (Eq. 1 to 3 of the paper),
beside a plain convolution with the same weights. Needs no data, no GPU, no training: the kernel is a fixed average."""

EPILOG = """\
Writes inpaint_demo.html, one page that opens offline, and inpaint_demo.png, the picture that makes the point. A new
call replaces these two, and says so.
exit status: 0, or 2 for bad input."""

PAGE, PICTURE = "inpaint_demo.html", "inpaint_demo.png"

LONGEST = 320
"""Pixels of the image's longer side: a layer's step stays visible, and everything takes seconds."""

HOLES = ("strokes", "boxes", "centre")


def main(arguments: list[str]) -> int:
    """Makes and writes the page; returns the exit status. Raises UserError for bad input."""
    options = make_options().parse_args(arguments)
    # Imported late: --help need not wait for torch.
    import numpy as np
    import torch

    from evaluation.pictures.holes import draw_holes
    from studies.inpaint_demo.page import demonstrate

    image, name = read(options.image) if options.image else (sample(), "A street drawn by code")
    holes = draw_holes(options.holes, image.height, image.width, options.share, options.seed)
    refuse_extremes(holes, options)
    pixels = torch.from_numpy(np.array(image)).permute(2, 0, 1)
    words = f"{name}, {image.height} x {image.width} pixels; {options.holes}"
    words += "." if options.holes == "centre" else f", seed {options.seed}."
    shown = demonstrate(pixels, ~torch.from_numpy(holes), words, options.kernel, options.strides)
    console = Console()
    for line in shown.summary:
        say(console, line)
    write(console, options.output, {PAGE: shown.page.encode(), PICTURE: shown.picture})
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
        "--strides",
        type=int,
        nargs="+",
        choices=(1, 2),
        default=[1, 2] * 5,
        metavar="N",
        help="1 or 2 for each layer of the chain whose masks are followed; default: 1 2 1 2 1 2 1 2 1 2",
    )
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


def refuse_extremes(holes, options: argparse.Namespace) -> None:
    height, width = holes.shape
    if not holes.any():
        raise UserError(f"--share {options.share} of {height} x {width} pixels leaves no hole; choose a larger share")
    if holes.all():
        raise UserError(
            f"--share {options.share} of {height} x {width} pixels leaves nothing but holes, which never close; choose "
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
