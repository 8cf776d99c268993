import numpy as np
import pytest
from PIL import Image

from datamodules.cityscapes.class_uniform import BOOST_CLASSES
from datamodules.cityscapes.labels import CLASS_NAMES, CLASS_OF_LABEL
from datamodules.samples.cityscapes import coarsened, make
from datamodules.samples.streets import draw_street


def label_maps(root, pattern):
    return [np.asarray(Image.open(path)) for path in sorted(root.glob(pattern))]


def classes(maps):
    found = set(np.unique(CLASS_OF_LABEL[np.concatenate([labels.ravel() for labels in maps])]).tolist())
    return {CLASS_NAMES[number] for number in found - {255}}


@pytest.fixture(scope="module", params=[(1, 64, 128), (2, 128, 256)])
def tree(request, tmp_path_factory):
    return make(tmp_path_factory.mktemp("sample") / "tree", *request.param)


def test_label_ids_and_classes_lie_where_the_rules_say(tree):
    maps = label_maps(tree, "gt*/*/*/*_labelIds.png")
    assert sorted(set().union(*(np.unique(labels).tolist() for labels in maps))) == list(range(34))
    train, val, coarse = (
        classes(label_maps(tree, f"{folder}/*/*.png")) for folder in ("gtFine/train", "gtFine/val", "gtCoarse/*")
    )
    boost = {CLASS_NAMES[number] for number in BOOST_CLASSES}
    assert coarse - train - val == {"train", "terrain"}
    assert {"train", "terrain"} & boost == {"train"}
    assert train - val == {"motorcycle"}
    assert train | coarse == set(CLASS_NAMES)


def test_fence_lies_at_the_outer_border_alone(tree):
    for pattern in ("gtFine/train", "gtFine/val", "gtCoarse/*"):
        fences = [
            CLASS_OF_LABEL[labels] == CLASS_NAMES.index("fence") for labels in label_maps(tree, f"{pattern}/*/*.png")
        ]
        assert any(fence.any() for fence in fences)
        for fence in fences:
            # Seven eighths of the width are left out of the border that the border evaluation keeps.
            margin = round(fence.shape[1] / 16)
            assert not fence[:, margin:-margin].any()


def test_coarse_labels_are_true_where_they_say_anything():
    _, labels = draw_street("augsburg", 0, 64, 128, ("train", "terrain"))
    coarse = coarsened(labels)
    kept = coarse != 0
    assert 0.3 < kept.mean() < 0.9
    assert np.array_equal(coarse[kept], labels[kept])
    # Borders between regions are unlabeled.
    assert not ((coarse[:, 1:] != coarse[:, :-1]) & kept[:, 1:] & kept[:, :-1]).any()


def test_what_cannot_be_drawn_is_refused():
    with pytest.raises(ValueError, match="no street has \\['tram'\\]"):
        draw_street("aachen", 0, 64, 128, ("tram",))
    with pytest.raises(ValueError, match="no room for"):
        draw_street("aachen", 0, 64, 128, ("truck", "bus", "train"))
