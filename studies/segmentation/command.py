"""`main.py segmentation RUNS_FOLDER`: Tables 5 to 7, the curve over the border, and Figures 6 to 8."""

from pathlib import Path
from typing import Annotated, Any

from jsonargparse.typing import PositiveInt
from rich.console import Console

from records.errors import UserError
from studies import find
from studies.runs.command import Runs
from studies.runs.options import Argument

METRIC = "val/miou"


def main(
    runs: Runs,
    *test_options: str,
    test: bool = False,
    data_root: Path | None = None,
    pictures: Annotated[PositiveInt, Argument(nargs="?", const=3)] | None = None,
    examine: PositiveInt = 100,
    network: str | None = None,
    tile_size: PositiveInt | None = None,
) -> int:
    """Compare the finished segmentation runs below a folder as section 4.2 of the paper does.

    Best mIoU by encoder, scheme and split (Table 5); whole images against tiles (Table 6); without the centre
    (Table 7); mIoU by the distance to the border; pictures (Figures 6 to 8). Tables 6 and 7 and the curve need the runs
    to be tested: --test does what is missing. With --test, options of `main.py test` may follow, as in
    --model.evaluation.tile_size=512 for other tiles.

    Writes table5_splits, table6_tiles, table7_border and distance as .csv and .md, distance.svg; with --pictures
    figure6.png, figure7.png, figure8.png. Tests are kept in RUN/evaluations/, and what is there is not repeated. Runs
    that were tested in different ways stand in blocks of their own. Exit status 1: a test failed; the rest was
    reported.

    Args:
        test: first test the best checkpoint of each run that lacks it
        data_root: folder of the images where they are not where the runs found them
        pictures: also draw Figures 6 to 8, of N images (3)
        examine: choose the images from N at most
        network: whose pictures; default: the first with zero and partial runs
        tile_size: of the pictures; default: as in the run's configuration
    """
    if test_options and not test:
        raise UserError(f"{' '.join(test_options)}: options of `main.py test` go with --test")
    runs.metric = runs.metric or METRIC
    status = 0
    if test:
        # Imported late: it brings in torch and Lightning.
        from studies.segmentation.measure import run_missing

        root = [] if data_root is None else [f"--data.root={data_root}"]
        status = run_missing(Console(), runs.collect(), [*root, *test_options])
        if status > 1:
            return status
    problem = _draw(runs, data_root, pictures, examine, network, tile_size) if pictures else None
    # Imported late: --help need not wait for scipy.
    from studies.page.terminal import run_studies
    from studies.segmentation import splits

    # Of the rows alone, where the report has the table of accuracies.
    run_studies(runs, [splits.study, *find("segmentation").functions], "holds no segmentation runs")
    if problem is not None:
        raise problem
    return status


def _draw(runs: Runs, *options: Any) -> UserError | None:
    """Draws the pictures; returns what goes wrong, for the tables to be shown first."""
    collection, output = runs.collect(), runs.output_folder()
    # Imported late: it brings in torch and Lightning.
    from studies.segmentation.scenes import make_pictures

    try:
        make_pictures(collection, output, *options)
    except UserError as error:
        return error
    return None
