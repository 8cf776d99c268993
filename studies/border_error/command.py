"""`main.py border-error NETWORKS...`: how far the padding schemes are from real context."""

from pathlib import Path

from jsonargparse.typing import PositiveInt
from rich.console import Console

from records.atomic import check_writable
from records.errors import UserError
from studies.checkpoints.options import Networks
from studies.runs.command import ANOTHER_OUTPUT, say
from studies.runs.measured import read_same

STRIDES = 3
"""Default margin, in total strides of the network."""


def main(
    networks: Networks,
    *,
    images: Path,
    count: PositiveInt | None = None,
    size: PositiveInt | None = None,
    margin: PositiveInt | None = None,
    batch_size: PositiveInt = 8,
    output: Path = Path("runs/border-error"),
) -> int:
    """Measures how far each padding scheme is from real context, by layer and distance: one scale for all schemes.

    The network sees each image twice: with a margin of real context, and cropped to its centre and padded. NMSE is the
    squared difference of a layer's two maps at a distance from the border, divided by the variance there: in the whole
    network, and of each layer alone on true input. For a classifier the share of unchanged decisions is shown, too.

    Writes NETWORK-SIZE.json per network (an existing one is not measured again; after Ctrl-C the command continues),
    tables as .csv and .md, figures as .svg. `main.py report RUNS_FOLDER` shows what lies in RUNS_FOLDER/border-error.

    Args:
        images: folder of images, with or without a folder for each class; those smaller than image and margins are
            enlarged, which is said
        count: number of images, evenly spaced; default: all
        size: side of the image without its margin, in pixels; default: the network's own
        margin: pixels of context on each side, a multiple of the total stride; default: three total strides
        batch_size: images per batch
        output: folder for the results
    """
    # Imported late: --help need not wait for torch.
    from studies.border_error.measure import measure, total_stride
    from studies.border_error.record import BorderErrorRecord
    from studies.border_error.table import section
    from studies.checkpoints.images import find_images
    from studies.checkpoints.progress import Progress
    from studies.page.terminal import show_measured

    console = Console()
    check_writable(output, ANOTHER_OUTPUT)
    schemes, records = networks.check(), []
    for source in networks.sources():
        found, side = find_images(images, count, source.classes), size or source.size
        stride = total_stride(source, side)
        context = margin or STRIDES * stride
        if context % stride:
            raise UserError(f"--margin {context}: {source.name} has a total stride of {stride}; give a multiple of it")
        file = output / f"{source.name}-{side}.json"
        wanted = {"weights": source.weights, "size": side, "margin": context, "schemes": schemes}
        wanted |= {"images": len(found.files), "digest": found.digest, "state": source.digest(schemes)}
        record = read_same(file, BorderErrorRecord, wanted)
        if record is None:
            progress = Progress(file.with_suffix(".part"), {**wanted, "network": source.name})
            settings = (side, context, schemes, batch_size, progress)
            record = measure(source, found, *settings, lambda text: say(console, text))
            record.write(file)
            progress.remove()
        records.append(record)
    show_measured(section(records, output))
    return 1 if networks.schemes and any(record.failed for record in records) else 0
