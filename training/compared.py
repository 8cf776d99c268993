"""What `validate` says at its end of images that it also showed on a canvas: their figures, and paired differences."""

from pytorch_lightning.utilities.rank_zero import rank_zero_only
from rich.console import Console
from rich.table import Table as RichTable

from lightning_modules.padded_comparison import PADDED, UNMASKED, Compared, Pair
from studies.page.tables import Column, Table, interval, p_value
from studies.page.terminal import rich_table
from studies.stats.intervals import compare_pairs
from training.evaluation_record import WIDTH

WAYS = {PADDED: "masked", UNMASKED: "not masked"}
"""Words for the ways on the canvas; the baseline has one of its own."""

FIGURES = {"acc1": "top-1 %", "acc5": "top-5 %", "miou": "mIoU %", "loss": "loss"}

TOP1 = (
    "Top-1, image by image: points of difference with an interval of at least 95 %, images that one of the two alone "
    "gets right, exact p of each line by itself (McNemar)"
)

PIXELS = (
    "Image by image: images of which the first gets more pixels right, or fewer, exact p of each line by itself (sign "
    "test), and pixels that get another class"
)


@rank_zero_only
def show(compared: Compared | None, console: Console | None = None) -> None:
    """Prints a comparison; nothing where none was made."""
    if compared is None:
        return
    console = console or Console()
    console = console if console.is_terminal else Console(file=console.file, width=WIDTH)
    console.print(_figures(compared))
    if compared.pairs[0].images:
        console.print(_pixels(compared.pairs) if "miou" in compared.figures[PADDED] else _top1(compared.pairs))


def _figures(compared: Compared) -> RichTable:
    names = [name for name in FIGURES if name in compared.figures[PADDED]]
    title = f"{compared.pairs[0].images} images: {compared.baseline}, and whole on a canvas that holds a batch"
    ways = compared.figures.items()
    rows = [[WAYS.get(way, way), *(f"{values[name]:.3f}" for name in names)] for way, values in ways]
    return _table(title, [FIGURES[name] for name in names], rows)


def _top1(pairs: list[Pair]) -> RichTable:
    rows = []
    for pair in pairs:
        found = compare_pairs(pair.images, pair.better, pair.worse)
        rows.append([_name(pair), f"{found.mean:+.2f}", interval(found), pair.better, pair.worse, p_value(found.p)])
    return _table(TOP1, ["difference", "interval", "first alone", "second alone", "p"], rows)


def _pixels(pairs: list[Pair]) -> RichTable:
    rows = []
    for pair in pairs:
        p = compare_pairs(pair.images, pair.better, pair.worse).p
        changed = f"{pair.otherwise:,} of {pair.predictions:,}"
        rows.append([_name(pair), pair.better, pair.worse, p_value(p), changed])
    return _table(PIXELS, ["more", "fewer", "p", "other class"], rows)


def _table(title: str, columns: list[str], rows: list[list]) -> RichTable:
    return rich_table(Table(title, [Column(""), *map(Column, columns)], rows))


def _name(pair: Pair) -> str:
    ours, theirs = (WAYS.get(way, way) for way in (pair.ours, pair.theirs))
    return f"{ours} − {theirs}"
