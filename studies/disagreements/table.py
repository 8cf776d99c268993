"""Figure 4: images that every run of one padding scheme gets wrong and every run of another right.

Section 4.1 of Partial Convolution based Padding, https://arxiv.org/abs/1811.11718. The paper shows images that zero
padding fails on and partial padding does not; some such images there are between any two sets of runs, so the opposite
is counted as well, and what would be expected if the scheme of a run did not matter: the average over all ways to deal
out the schemes to the same runs.
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from records.atomic import write_atomically
from records.classification import ClassificationRecord, ImageList
from records.errors import RecordError
from studies.disagreements import contact_sheet
from studies.page.blocks import Block, Figure, Notice, Raster, Section, Text
from studies.page.tables import Column, Linked, Table, decimals, starts
from studies.runs.collect import PARTIAL, REFERENCE, Collection, Group, Run
from studies.runs.comparable import ComparableRecords, comparable_records

LIMIT = 18
"""Images of a network that the figure shows unless told otherwise."""

STEM = "figure4"


@dataclass(frozen=True)
class Side:
    """The runs of a network under their own scheme, and what each predicted.

    Attributes:
        padding: their scheme.
        runs: by seed.
        predicted: classes (runs, images).
    """

    padding: str
    runs: tuple[Run, ...]
    predicted: np.ndarray


@dataclass(frozen=True)
class Disagreement:
    """What all runs of one side get wrong and all of the other right.

    Attributes:
        wrong, right: the two sides.
        images: positions in the list of images, rising.
        expected: how many there would be on average if the schemes were dealt out to the runs at random.
        chance: share of the ways to deal them out, the actual one among them, with as many images or more.
    """

    wrong: Side
    right: Side
    images: np.ndarray
    expected: float
    chance: float


@dataclass(frozen=True)
class BothWays:
    """Both directions of a network, and its images; None where their list cannot be read."""

    network: str
    there: Disagreement
    back: Disagreement
    images: ImageList | None
    folder: Path
    total: int

    def classes(self, way: Disagreement, image: int) -> tuple[str, list[str]]:
        """The image's class, and what each run that is wrong says."""
        names = self.images.class_names
        said = way.wrong.predicted[:, image].tolist()
        return names[self.images.targets[image]], [dict(enumerate(names)).get(each, str(each)) for each in said]

    def files(self, images: Sequence[int]) -> dict[int, Path]:
        """The files of `images` that are still there."""
        paths = {image: self.folder / self.images.files[image] for image in images}
        return {image: path for image, path in paths.items() if path.is_file()}


def study(
    collection: Collection,
    output: Path,
    wrong: str = REFERENCE,
    right: str = PARTIAL,
    checkpoint: str | None = None,
    limit: int = LIMIT,
) -> Section | None:
    """Figure 4 as a section, or None if no network has evaluated runs of both schemes.

    Writes `figure4.csv` and `.md` (the images), `figure4_counts.csv` and `.md`, and `figure4.png`, where there are any.

    Args:
        wrong, right: schemes.
        checkpoint: as of `evaluated`.
        limit: most images of each network in the figure.
    """
    found, problems = compare(collection, wrong, right, checkpoint)
    title = f"Wrong in every run with {wrong} padding, right in every run with {right} (Figure 4)"
    left_out = Notice("Left out", problems, terminal=True)
    if not found:
        return Section(title, [left_out]) if problems else None
    counts = counts_table(found)
    images = images_table(found)
    files = [*images.write(output, STEM), *counts.write(output, f"{STEM}_counts")]
    every = Linked(f"all {len(images.rows)} images, both ways", files[0])
    blocks: list[Block] = [Text(_reading(found)), counts, left_out]
    if picture := contact_sheet.draw(dict(_strip(each, limit) for each in found)):
        files.append(output / f"{STEM}.png")
        write_atomically(files[-1], lambda file: file.write(picture))
        blocks.append(Figure([Raster(contact_sheet.as_jpeg(picture), title)], _caption(found, limit)))
    blocks += [Text(sentence, muted=True, terminal=True) for sentence in missing_images(found)]
    blocks.append(Text([every, ", with what each run says."]))
    return Section(title, blocks, files)


def compare(
    collection: Collection, wrong: str = REFERENCE, right: str = PARTIAL, checkpoint: str | None = None
) -> tuple[list[BothWays], list[str]]:
    """Both directions for each network that has evaluated runs of both schemes; and a sentence for what is left out."""
    results = comparable_records(collection, checkpoint)
    found, problems = [], list(results.left_out)
    for network in collection.networks:
        sides = [
            side(results, group) for name in (wrong, right) for group in collection.of(network) if group.padding == name
        ]
        if len(sides) == 2 and all(each.runs for each in sides):
            record = results.of[sides[0].runs[0], wrong]
            images, targets = read_list([run for each in sides for run in each.runs], results)
            if targets is not None:
                there, back = (disagreement(*pair, targets) for pair in (sides, sides[::-1]))
                found.append(BothWays(network, there, back, images, Path(record.image_folder), record.images))
            else:
                problems.append(f"{network}: no run has the list of its images, {record.image_list}, whole")
    return found, problems


def side(results: ComparableRecords, group: Group) -> Side:
    """The runs of a group that were evaluated under their own scheme."""
    records = {run: results.of.get((run, group.padding)) for run in group.runs}
    there = {run: record for run, record in records.items() if isinstance(record, ClassificationRecord)}
    return Side(group.padding, tuple(there), np.array([record.predicted for record in there.values()]))


def read_list(runs: Sequence[Run], results: ComparableRecords) -> tuple[ImageList | None, np.ndarray | None]:
    """The images that the runs were evaluated on and their targets, from the first run whose list can be read."""
    for run in runs:
        record = results.of[run, run.record.padding]
        try:
            images = ImageList.read(run.folder.evaluations / record.image_list)
        except (OSError, RecordError):
            continue
        if len(images.files) == record.images:
            return images, np.array(images.targets)
    return None, None


def disagreement(wrong: Side, right: Side, targets: np.ndarray) -> Disagreement:
    """The images that every run of `wrong` gets wrong and every run of `right` right."""
    mistaken = np.concatenate([wrong.predicted, right.predicted]) != targets
    first = len(wrong.runs)
    images = np.flatnonzero(mistaken[:first].all(0) & ~mistaken[first:].any(0))
    # Dealt out otherwise, an image counts where exactly the runs called `wrong` are mistaken about it: so it counts in
    # one of the ways at most, that of the very set of runs that are mistaken.
    ways = math.comb(len(mistaken), first)
    by_set = Counter(tuple(column) for column in mistaken.T[mistaken.sum(0) == first].tolist())
    as_many = sum(count >= len(images) for count in by_set.values()) if len(images) else ways
    return Disagreement(wrong, right, images, sum(by_set.values()) / ways, as_many / ways)


def counts_table(found: Sequence[BothWays]) -> Table:
    """A line for each network and direction."""
    rows = []
    for each in found:
        for way in (each.there, each.back):
            n = f"{len(way.wrong.runs)} and {len(way.right.runs)}"
            chance = [way.expected, way.chance, each.total]
            rows.append([each.network, way.wrong.padding, way.right.padding, n, len(way.images), *chance])
    columns = [Column(name) for name in ("Network", "all wrong", "all right", "runs", "images")]
    columns += [Column("expected by chance", decimals(1)), Column("as many by chance", decimals(3))]
    columns.append(Column("of images"))
    return Table("Images that divide the schemes (Figure 4)", columns, rows, starts([row[0] for row in rows]))


def images_table(found: Sequence[BothWays]) -> Table:
    """A line for each image, both directions: its class, and what each run predicted, by seed."""
    names = ("Network", "all wrong", "all right", "image", "class", "wrong runs say", "right runs say")
    rows = [
        [each.network, way.wrong.padding, way.right.padding, each.images.files[image], label, ", ".join(said), label]
        for each in found
        for way in (each.there, each.back)
        for image in way.images
        for label, said in [each.classes(way, image)]
    ]
    return Table("Images that divide the schemes", [Column(name) for name in names], rows)


def missing_images(found: Sequence[BothWays]) -> list[str]:
    """A sentence for each network whose image files are gone."""
    return [
        f"{each.network}: the images are no longer in {each.folder}, so none is shown; say where they are with "
        "main.py disagreements --data-root"
        for each in found
        if len(each.there.images) and not each.files(each.there.images[:1])
    ]


def shown(images: np.ndarray, limit: int) -> np.ndarray:
    """At most `limit` of `images`, spread evenly over them: nothing is picked, and no class comes first."""
    if len(images) <= limit:
        return images
    return images[np.linspace(0, len(images) - 1, limit).round().astype(int)]


def _strip(each: BothWays, limit: int) -> tuple[str, list[contact_sheet.Thumbnail]]:
    """Title and pictures of a network."""
    pictures = []
    for image, path in each.files(shown(each.there.images, limit)).items():
        label, said = each.classes(each.there, image)
        lines = [name if count == 1 else f"{name} ×{count}" for name, count in Counter(said).most_common()]
        pictures.append(contact_sheet.Thumbnail(path, label, lines))
    below = f"below each its class, then what {each.there.wrong.padding} padding says"
    return f"{each.network}: {len(each.there.images)} images; {below}", pictures


def _reading(found: Sequence[BothWays]) -> str:
    there = found[0].there
    return (
        f"Of each network's reported images, those that every run with {there.wrong.padding} padding gets wrong and "
        f"every run with {there.right.padding} right, and the opposite. expected by chance: the average over all ways "
        "to deal out the two schemes to the same runs. as many by chance: share of these ways, the actual one among "
        "them, with as many images or more; with few runs it cannot be small (3 and 3 runs: at least 1 in 20)."
    )


def _caption(found: Sequence[BothWays], limit: int) -> str:
    there, cut = found[0].there, any(len(each.there.images) > limit for each in found)
    most = f" At most {limit} a network, spread evenly over the list." if cut else ""
    return (
        f"Bold: the image's class, which every run with {there.right.padding} padding predicts. Below: what the runs "
        f"with {there.wrong.padding} padding predict.{most}"
    )
