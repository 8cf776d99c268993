"""`main.py geometry NETWORKS...`: what padding does to networks, without training and without data."""

from pathlib import Path

from jsonargparse.typing import PositiveInt
from rich.console import Console

from records.atomic import check_writable
from records.errors import UserError
from studies.checkpoints.options import Networks
from studies.runs.command import ANOTHER_OUTPUT, say
from studies.runs.measured import read_same


def main(networks: Networks, *, sizes: list[PositiveInt] | None = None, output: Path = Path("runs/geometry")) -> int:
    """Measures what padding does to networks before any training: no data, seconds per network on a CPU.

    Finds the layers that read more padding on one side than on the other, and the nearest image sizes at which none
    does; the weight of each pixel in a network of averages (the foveation map), and its asymmetry; and the response of
    each layer to a constant image at the border. Alsallakh et al., Mind the Pad, ICLR 2021.

    Writes NETWORK-SIZE.json per network and size (the same command measures only what has none), tables as .csv and
    .md, figures as .svg. `main.py report RUNS_FOLDER` shows what lies in RUNS_FOLDER/geometry.

    Args:
        sizes: image sides in pixels; default: the network's own
        output: folder for the results
    """
    # Imported late: --help need not wait for torch.
    from studies.geometry.measure import measure
    from studies.geometry.record import GeometryRecord
    from studies.geometry.table import section
    from studies.page.terminal import show_measured

    console = Console()
    check_writable(output, ANOTHER_OUTPUT)
    schemes, records, failed = networks.check(), [], []
    for source in networks.sources():
        for size in dict.fromkeys(sizes or [source.size]):
            file = output / f"{source.name}-{size}.json"
            wanted = {"weights": source.weights, "size": size, "schemes": schemes, "seed": networks.seed}
            wanted["state"] = source.digest(schemes)
            record = read_same(file, GeometryRecord, wanted)
            if record is None:
                try:
                    record = measure(source, size, schemes, networks.seed, lambda text: say(console, text))
                except UserError as error:
                    failed.append(str(error))
                    say(console, f"not measured: {error}")
                    continue
                record.write(file)
            records.append(record)
    if not records:
        raise UserError("\n".join(failed))
    show_measured(section(records, output))
    return 1 if failed or (networks.schemes and any(record.failed for record in records)) else 0
