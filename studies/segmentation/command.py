"""`main.py segmentation RUNS_FOLDER`: Tables 5 to 7, the curve over the border, and Figures 6 to 8."""

from functools import partial
from pathlib import Path
from typing import Annotated

from jsonargparse.typing import PositiveInt

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
    network: str | None = None,
    tile_size: PositiveInt | None = None,
    seams: Annotated[PositiveInt, Argument(nargs="?", const=20)] | None = None,
) -> int:
    """Compares the finished segmentation runs below a folder as in section 4.2 of the paper.

    Shows best mIoU of each run (Table 5) and differences from zero padding; whole images against tiles (Table 6); mIoU
    without the centre (Table 7) and by the distance to the border; pictures (Figures 6 to 8). Tables 6 and 7 and the
    curve need tested runs: --test makes the missing tests, on one device. With --test, options of `main.py test` may
    follow, such as --model.evaluation.tile_size=512 for other tiles.

    Writes differences, table5_best, table6_tiles and table7_border with their differences, and distance as .csv and
    .md, distance.svg; with --seams seams.csv, .md and .svg; with --pictures figure6.png, figure7.png, figure8.png.
    Tests and seams are written to RUN/evaluations/ at once: after Ctrl-C the same command continues. Runs that were
    tested in different ways are in separate blocks. Exit status 1: a test failed; the rest was reported.

    Args:
        test: first test the best checkpoint of each run that lacks it
        data_root: folder of the images if they are not where the runs found them
        pictures: also draw Figures 6 to 8, of N images (3)
        network: network of the pictures; default: the first with zero and partial runs
        tile_size: side of tiles in pixels; default: in pictures the run's, for --seams half the shorter side
        seams: also measure how often a pixel's class changes with the patch around it, on N images (20)
    """
    if test_options and not test:
        raise UserError(f"{' '.join(test_options)}: options of `main.py test` go with --test")
    if network and not pictures:
        raise UserError("--network goes with --pictures")
    if tile_size and not (pictures or seams):
        raise UserError("--tile-size goes with --pictures or --seams; of --test it is --model.evaluation.tile_size")
    if data_root and not (test or pictures or seams):
        raise UserError("--data-root goes with --test, --pictures or --seams, which read images")
    runs.metric = runs.metric or METRIC
    failed = []
    if test or seams:
        collection, _ = runs.collect(), runs.output_folder()  # raises before the tests, which take long
    if test:
        # Imported late: it brings in torch and Lightning.
        from studies.segmentation.measure import run_missing

        failed = run_missing(collection, data_root, test_options)
    if seams:
        # Imported late, too.
        from studies.checkpoints.options import Weights
        from studies.checkpoints.pictures import measure_missing
        from studies.segmentation.overlaps import measure_scenes
        from studies.segmentation.seams import study

        how = {"count": seams, "side": tile_size}
        failed += measure_missing(
            collection, Weights(data_root=data_root), study.name, how, partial(measure_scenes, **how)
        )
    # Imported late: --help need not wait for scipy.
    from studies.page.terminal import run_studies

    table5 = [find("accuracy").load(name) for name in ("differences:study", "table:study_best")]
    studies = [*table5, *find("segmentation").functions]
    status = run_studies(runs, studies, "holds no segmentation runs", failed)
    if pictures:
        # Imported late: it brings in torch and Lightning. Last, so that the tables are shown whatever goes wrong here.
        from studies.segmentation.scenes import make_pictures

        make_pictures(runs.collect(), runs.output_folder(), data_root, pictures, network, tile_size)
    return status
