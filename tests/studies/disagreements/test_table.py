"""Figure 4: the sets of images, and what chance would give, by brute force over images and ways to label the runs."""

import itertools

import numpy as np
import pytest
from PIL import Image

from studies.disagreements.table import compare, count, study
from studies.page.terminal import renderables
from studies.runs.collect import collect


@pytest.mark.parametrize(("wrong", "right"), [(1, 1), (2, 2), (3, 2), (1, 3)])
def test_sets_and_chance_against_brute_force(wrong, right):
    random = np.random.default_rng(wrong * 10 + right)
    targets = random.integers(0, 3, 400)
    predicted = np.where(
        random.random((wrong + right, 400)) < 0.6, targets, random.integers(0, 3, (wrong + right, 400))
    )
    mistaken = predicted != targets
    images, expected, chance = count(mistaken[:wrong], mistaken[wrong:])

    def by_hand(chosen: tuple[int, ...]) -> list[int]:
        others = set(range(wrong + right)) - set(chosen)
        return [
            image
            for image, target in enumerate(targets)
            if all(predicted[run, image] != target for run in chosen)
            and all(predicted[run, image] == target for run in others)
        ]

    assert images.tolist() == by_hand(tuple(range(wrong)))
    assert len(images) > 0
    ways = [len(by_hand(chosen)) for chosen in itertools.combinations(range(wrong + right), wrong)]
    assert expected == pytest.approx(sum(ways) / len(ways))
    assert chance == pytest.approx(sum(each >= len(images) for each in ways) / len(ways))


def test_no_image_at_all_is_as_likely_as_can_be():
    images, expected, chance = count(np.zeros((1, 2), bool), np.zeros((1, 2), bool))
    assert (len(images), expected, chance) == (0, 0, 1)


@pytest.fixture
def runs(make_run, keep_evaluation, tmp_path):
    """Both runs of zero mistake images 1 and 4 of six, both of partial image 2; one of each mistakes image 5."""
    images = tmp_path / "images"
    for number, name in enumerate("aabbcc"):
        (images / name).mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 6), (40 * number, 0, 0)).save(images / name / f"{number}.png")
    for padding, seed, predicted in (
        ("zero", 0, [0, 1, 1, 1, 0, 2]),
        ("zero", 1, [0, 2, 1, 1, 0, 0]),
        ("partial", 0, [0, 0, 2, 1, 2, 1]),
        ("partial", 1, [0, 0, 0, 1, 2, 2]),
    ):
        keep_evaluation(make_run(padding=padding, seed=seed), predicted, folder=images)
    return tmp_path / "runs"


def test_images_both_ways_with_what_each_run_said(runs, tmp_path, rows_of, page_of):
    section = study(collect(runs), tmp_path)
    columns = ("all wrong", "image", "class", "wrong runs say")
    assert [tuple(row[name] for name in columns) for row in rows_of("figure4.csv")] == [
        ("zero", "a/1.png", "ape", "bee, cat"),
        ("zero", "c/4.png", "cat", "ape, ape"),
        ("partial", "b/2.png", "bee", "cat, ape"),
    ]
    counts = [(row["all wrong"], row["images"], row["expected by chance"]) for row in rows_of("figure4_counts.csv")]
    # Images that two of the four runs mistake: 1, 4, 2 and 5, in one of the six ways each.
    assert counts == [("zero", "2", repr(4 / 6)), ("partial", "1", repr(4 / 6))]
    picture = Image.open(tmp_path / "figure4.png").convert("RGB")
    colours = {colour for count, colour in picture.getcolors(2**20) if count > 1000}
    assert {(40, 0, 0), (160, 0, 0)} <= colours
    assert (80, 0, 0) not in colours  # image 2, which partial padding gets wrong
    assert "data:image/jpeg;base64" in page_of(section)


def test_without_the_image_files_the_counts_remain(runs, tmp_path, page_of):
    (tmp_path / "images").rename(tmp_path / "moved")
    section = study(collect(runs), tmp_path)
    assert f"no longer in {tmp_path / 'images'}" in page_of(section)
    assert any("no longer in" in str(printed) for printed in renderables(section.blocks)), "the terminal says it, too"
    assert "data:image" not in page_of(section)
    assert not (tmp_path / "figure4.png").exists()
    assert len((tmp_path / "figure4.csv").read_text().splitlines()) == 4


def test_nothing_where_a_scheme_is_missing(runs, tmp_path):
    assert study(collect(runs), tmp_path, right="reflect") is None
    assert compare(collect(runs), "partial", "zero")[0][0].images.tolist() == [2]
