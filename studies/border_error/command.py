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
    """How far each padding scheme is from real context, by layer and distance: the one scale for all schemes.

    An image is shown twice: with a margin of real context around it, and cut to its centre and padded. NMSE is the
    squared difference of a layer's maps at a distance from the border, over the variance there; for the whole network,
    and for each layer alone with its input true. For a classifier also how often the decision stays the same.

    Writes NETWORK-SIZE.json a network (after Ctrl-C the same command continues, what is there is not measured again),
    tables as .csv and .md, figures as .svg. `main.py report RUNS_FOLDER` shows what lies in RUNS_FOLDER/border-error.

    Args:
        images: folder of images, with or without a folder for each class
        count: images, spread evenly; default: all
        size: of the image without its margin, pixels a side; default: the network's own
        margin: context on each side, a multiple of the total stride; default: three total strides
        batch_size: images at a time
        output: where to write
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
