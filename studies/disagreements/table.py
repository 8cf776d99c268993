"""Figure 4: images that every run of one padding scheme gets wrong and every run of another right.

Section 4.1 of Partial Convolution based Padding, https://arxiv.org/abs/1811.11718. The paper shows images that zero
padding fails on and partial padding does not. Any two sets of runs have such images, so the opposite is counted, too,
and the number to expect if the scheme of a run did not matter: the average over all ways to assign the schemes to the
same runs.
"""

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from records.atomic import write_atomically
from records.classification import ClassificationRecord, ImageList
from studies.disagreements import contact_sheet
from studies.page.blocks import Block, Figure, Notice, Raster, Section, Text
from studies.page.tables import Column, Linked, Table, decimals, starts
from studies.runs.collect import PARTIAL, REFERENCE, Collection, Group, Run
from studies.runs.comparable import ComparableRecords, comparable_records, images_of
from studies.stats.sample import evenly

LIMIT = 18
"""Largest number of images per network in the figure."""

STEM = "figure4"


@dataclass(frozen=True)
class Disagreement:
    """The images of one network that all runs of one scheme get wrong and all runs of another right.

    Attributes:
        runs: number of runs of each scheme.
        images: positions in the list of images, ascending.
        expected: mean number of such images if the schemes were assigned to the runs at random.
        chance: share of the possible assignments, the actual one included, with as many images or more.
        said: classes that the wrong runs predict, (runs, all images).
        folder: folder that the images were in.
    """

    network: str
    wrong: str
    right: str
    runs: tuple[int, int]
    images: np.ndarray
    expected: float
    chance: float
    said: np.ndarray
    files: ImageList
    folder: Path

    def label(self, image: int) -> str:
        return self.files.class_names[self.files.targets[image]]

    def answers(self, image: int) -> list[str]:
        """The class that each of the wrong runs predicts."""
        names = dict(enumerate(self.files.class_names))
        return [names.get(each, str(each)) for each in self.said[:, image].tolist()]

    def there(self, images: Sequence[int]) -> dict[int, Path]:
        """The files of `images` that still exist."""
        paths = {image: self.folder / self.files.files[image] for image in images}
        return {image: path for image, path in paths.items() if path.is_file()}


def study(
    collection: Collection, output: Path, wrong: str = REFERENCE, right: str = PARTIAL, checkpoint: str | None = None
) -> Section | None:
    """Returns Figure 4 as a section, or None if no network has evaluated runs of both schemes.

    Writes `figure4.csv` and `.md` (the images), `figure4_counts.csv` and `.md`, and `figure4.png` if there are images.
    """
    found, problems = compare(collection, wrong, right, checkpoint)
    title = f"Wrong in every run with {wrong} padding, right in every run with {right} (Figure 4)"
    left_out = Notice("Left out", problems, terminal=True)
    if not found:
        return Section(title, [left_out]) if problems else None
    counts, images = counts_table(found), images_table(found)
    files = [*images.write(output, STEM), *counts.write(output, f"{STEM}_counts")]
    every = Linked(f"all {len(images.rows)} images, both ways", files[0])
    blocks: list[Block] = [Text(_reading(wrong, right)), counts, left_out]
    pictured = [each for each in found if each.wrong == wrong]
    if picture := contact_sheet.draw(dict(map(_strip, pictured))):
        files.append(output / f"{STEM}.png")
        write_atomically(files[-1], lambda file: file.write(picture))
        cut = any(len(each.images) > LIMIT for each in pictured)
        caption = _caption(wrong, right) + f" At most {LIMIT} a network, spread evenly over the list." * cut
        blocks.append(Figure([Raster(contact_sheet.as_jpeg(picture), title)], caption))
    blocks += [
        Text(
            f"{each.network}: the images are no longer in {each.folder}, so none is shown; say where they are with "
            "main.py disagreements --data-root",
            muted=True,
            terminal=True,
        )
        for each in pictured
        if len(each.images) and not each.there(each.images[:1])
    ]
    return Section(title, [*blocks, Text([every, ", with what each run says."])], files)


def compare(
    collection: Collection, wrong: str = REFERENCE, right: str = PARTIAL, checkpoint: str | None = None
) -> tuple[list[Disagreement], list[str]]:
    """Both directions of each network with evaluated runs of both schemes, and sentences on what is left out."""
    results = comparable_records(collection, checkpoint)
    found, problems = [], list(results.left_out)
    for network in collection.networks:
        groups = {group.padding: group for group in collection.of(network)}
        records = {name: _own_records(results, groups[name]) for name in (wrong, right) if name in groups}
        if len(records) < 2 or not all(records.values()):
            continue
        record = next(iter(records[wrong].values()))
        # From the first run whose list is complete.
        lists = (images_of(*each) for each in (records[wrong] | records[right]).items())
        if files := next(filter(None, lists), None):
            found += _both_ways(network, records, files, Path(record.image_folder))
        else:
            problems.append(f"{network}: no run has the list of its images, {record.image_list}, whole")
    return found, problems


def _own_records(results: ComparableRecords, group: Group) -> dict[Run, ClassificationRecord]:
    """The records of a group's runs that were evaluated under their own scheme."""
    records = {run: results.of.get((run, group.padding)) for run in group.runs}
    return {run: record for run, record in records.items() if isinstance(record, ClassificationRecord)}


def _both_ways(
    network: str, records: dict[str, dict[Run, ClassificationRecord]], files: ImageList, folder: Path
) -> Iterator[Disagreement]:
    said = {scheme: np.array([each.predicted for each in found.values()]) for scheme, found in records.items()}
    mistaken = {scheme: classes != np.array(files.targets) for scheme, classes in said.items()}
    for wrong, right in (tuple(said), tuple(said)[::-1]):
        runs = (len(said[wrong]), len(said[right]))
        counted = count(mistaken[wrong], mistaken[right])
        yield Disagreement(network, wrong, right, runs, *counted, said[wrong], files, folder)


def count(wrong: np.ndarray, right: np.ndarray) -> tuple[np.ndarray, float, float]:
    """`images`, `expected` and `chance` of a Disagreement, from the mistakes of both sides, bool (runs, images)."""
    mistaken, first = np.concatenate([wrong, right]), len(wrong)
    images = np.flatnonzero(wrong.all(0) & ~right.any(0))
    # With the schemes assigned in another way, an image counts if the runs called `wrong` are exactly those that are
    # mistaken about it: each image counts in one of the ways at most, so its set of mistaken runs stands for the way.
    ways = math.comb(len(mistaken), first)
    by_set = Counter(tuple(column) for column in mistaken.T[mistaken.sum(0) == first].tolist())
    # Without such an image every way has as many.
    as_many = sum(number >= len(images) for number in by_set.values()) if len(images) else ways
    return images, sum(by_set.values()) / ways, as_many / ways


def counts_table(found: Sequence[Disagreement]) -> Table:
    """A row per network and direction."""
    rows = []
    for each in found:
        n, total = "{} and {}".format(*each.runs), len(each.files.files)
        rows.append([each.network, each.wrong, each.right, n, len(each.images), each.expected, each.chance, total])
    columns = [Column(name) for name in ("Network", "all wrong", "all right", "runs", "images")]
    columns += [Column("expected by chance", decimals(1)), Column("as many by chance", decimals(3))]
    columns.append(Column("of images"))
    return Table("Images that divide the schemes (Figure 4)", columns, rows, starts([row[0] for row in rows]))


def images_table(found: Sequence[Disagreement]) -> Table:
    """A row per image, both directions: its class, and the predictions of the runs, by seed."""
    names = ("Network", "all wrong", "all right", "image", "class", "wrong runs say", "right runs say")
    rows = []
    for each in found:
        for image in each.images:
            label, said = each.label(image), ", ".join(each.answers(image))
            rows.append([each.network, each.wrong, each.right, each.files.files[image], label, said, label])
    return Table("Images that divide the schemes", [Column(name) for name in names], rows)


def _strip(each: Disagreement) -> tuple[str, list[contact_sheet.Thumbnail]]:
    pictures = []
    for image, path in each.there(evenly(each.images, LIMIT)).items():
        said = Counter(each.answers(image)).most_common()
        lines = [name if times == 1 else f"{name} ×{times}" for name, times in said]
        pictures.append(contact_sheet.Thumbnail(path, each.label(image), lines))
    below = f"below each its class, then what {each.wrong} padding says"
    return f"{each.network}: {len(each.images)} images; {below}", pictures


def _reading(wrong: str, right: str) -> str:
    return (
        f"Of each network's reported images, those that every run with {wrong} padding gets wrong and "
        f"every run with {right} right, and the opposite. expected by chance: the average over all ways "
        "to deal out the two schemes to the same runs. as many by chance: share of these ways, the actual one among "
        "them, with as many images or more; with few runs it cannot be small (3 and 3 runs: at least 1 in 20)."
    )


def _caption(wrong: str, right: str) -> str:
    return (
        f"Bold: the image's class, which every run with {right} padding predicts. Below: what the runs "
        f"with {wrong} padding predict."
    )
