import shutil
from functools import partial

import pytest

from datamodules import DataError
from tests.datamodules.support import imagenet

# As in ILSVRC, the order of the ids is not the sorted one.
IDS = ["n00000003", "n00000001", "n00000002"]
# Class ids, from 1, of the six validation images.
LABELS = [2, 1, 3, 3, 2, 1]
NAMES = [f"ILSVRC2012_val_{number:08d}" for number in range(1, 7)]
TARGETS = [int(IDS[label - 1][-1]) - 1 for label in LABELS]


@pytest.fixture
def ilsvrc(tree, tmp_path, write_image):
    """The ILSVRC tree: Data/CLS-LOC/train/CLASS, Data/CLS-LOC/val/*.JPEG, and no ground truth."""
    root = tmp_path / "ILSVRC"
    place = root / "Data" / "CLS-LOC"
    place.mkdir(parents=True)
    (tree / "train").rename(place / "train")
    for number, name in enumerate(NAMES):
        write_image(place / "val" / f"{name}.JPEG", seed=number)
    return root


module = partial(imagenet, batch_size=2, image_size=8, eval_resize=8)


def targets(data):
    return [target for batch in data.test_dataloader() for target in batch[1].tolist()]


def truth(kind, folder):
    """A ground truth of that format; those with names are in another order than the files."""
    pairs = [(name, IDS[label - 1]) for name, label in zip(NAMES, LABELS, strict=True)]
    lines = {
        "ids": map(str, LABELS),
        "synsets": [synset for _, synset in pairs],
        "names": [f"{name}.JPEG {synset}" for name, synset in reversed(pairs)],
        "kaggle": [
            "ImageId,PredictionString",
            *(f"{name},{synset} 1 2 3 4 {synset} 5 6 7 8 " for name, synset in reversed(pairs)),
        ],
    }[kind]
    file = folder / f"{kind}.txt"
    file.write_text("\n".join(lines) + "\n")
    return file


@pytest.mark.parametrize("kind", ["ids", "synsets", "names", "kaggle"])
def test_flat_validation_folder_is_labelled(kind, ilsvrc, tmp_path):
    (tmp_path / "order.txt").write_text("".join(f"{name} words for it\n" for name in IDS))
    data = module(ilsvrc, val_ground_truth=str(truth(kind, tmp_path)), val_synsets=str(tmp_path / "order.txt"))
    data.setup()
    assert targets(data) == TARGETS
    assert data.num_classes == 3


@pytest.mark.parametrize("place", ["ILSVRC", "."])
def test_kaggles_ground_truth_is_found(place, ilsvrc, tmp_path):
    # Kaggle's archive has the CSV beside ILSVRC/; either folder may be given as the root.
    truth("kaggle", tmp_path).rename(tmp_path / "LOC_val_solution.csv")
    assert targets(module(tmp_path / place)) == TARGETS


def test_images_named_otherwise_than_the_ground_truth_are_named(ilsvrc, tmp_path, write_image):
    write_image(ilsvrc / "Data" / "CLS-LOC" / "val" / "extra.JPEG")
    with pytest.raises(DataError, match=r"kaggle\.txt: has no label for 1 of 7 images: extra\.JPEG"):
        module(ilsvrc, val_ground_truth=str(truth("kaggle", tmp_path))).setup()
    with pytest.raises(DataError, match=r"synsets\.txt: has 6 labels for 7 images"):
        module(ilsvrc, val_ground_truth=str(truth("synsets", tmp_path))).setup()


def test_flat_folder_needs_a_ground_truth(ilsvrc):
    with pytest.raises(DataError, match=r"CLS-LOC/val: holds images without class folders.*val_ground_truth"):
        module(ilsvrc).setup()


@pytest.mark.parametrize(
    ("order", "message"),
    [
        (None, r"ids\.txt: holds numbers.*val_synsets"),
        # The sorted list (synset_words.txt) would be taken without complaint and give wrong labels.
        (sorted(IDS), r"order\.txt: is in sorted order"),
        (IDS[:2], r"numbers from 1 to 3, but .* has 2 synsets"),
        (["dog", "cat"], "do not begin with a synset"),
    ],
)
def test_ids_need_the_synsets_in_their_order(order, message, ilsvrc, tmp_path):
    file = tmp_path / "order.txt"
    file.write_text("\n".join(order or []))
    with pytest.raises(DataError, match=message):
        module(ilsvrc, val_ground_truth=str(truth("ids", tmp_path)), val_synsets=str(file) if order else None).setup()


@pytest.mark.parametrize(
    "content",
    [
        *("", "0.5\n", "cat\ndog\n", "a.JPEG 3\nb.JPEG 4\n", "1\n2 3\n", "ImageId,PredictionString\nx\n"),
        "a.JPEG n01440764\na.JPEG n01443537\n",
    ],
)
def test_unknown_formats_are_refused(content, ilsvrc, tmp_path):
    (tmp_path / "truth.txt").write_text(content)
    with pytest.raises(DataError, match=r"truth\.txt.*Accepted: Kaggle"):
        module(ilsvrc, val_ground_truth=str(tmp_path / "truth.txt")).setup()


def test_test_folder_serves_as_validation(tree):
    (tree / "val").rename(tree / "test")
    assert len(module(tree).test_set()) == 6


def test_a_missing_split_is_named(tree):
    (tree / "val").rename(tree / "validate")
    with pytest.raises(DataError, match=r"data: has no val/ or test/ folder.*it holds train, validate"):
        module(tree).setup()
    (tree / "train").rename(tree / "validate" / "train")
    with pytest.raises(DataError, match=r"data: has no train/ folder"):
        module(tree).setup("fit")


def test_class_that_training_lacks_is_named(tree, write_image):
    write_image(tree / "val" / "n00000007" / "0.png")
    with pytest.raises(DataError, match=r"data/val: has 1 classes that the training set lacks: n00000007"):
        module(tree).setup()


def test_validation_classes_take_the_numbers_of_training(tree, write_image):
    shutil.rmtree(tree / "val" / "n00000001")
    assert targets(module(tree)) == [1, 1, 2, 2]


def test_evaluation_does_without_the_training_images(tree, tmp_path):
    (tree / "train").rename(tmp_path / "away")
    data = module(tree)
    data.setup("validate")
    assert data.num_classes == 3
    assert targets(data) == [0, 0, 1, 1, 2, 2]
