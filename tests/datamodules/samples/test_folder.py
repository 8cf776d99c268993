"""What both sample trees have in common: their digests, and what happens to a folder that is there already."""

import json
import threading

import PIL
import pytest

from datamodules import DataError
from datamodules.samples import cityscapes, imagenet
from datamodules.samples.folder import MARKER, digest, read_marker

# Digests of the trees of the fixtures. Another picture needs another VERSION, and new values of FILES and of these.
PILLOW = "13.0.0"
PINNED = {
    "sample_tree": "80cd1e39e0a2d212b973448cb5b0b7abe6718377a2bc69eb7c59a040b42503ed",
    "street_tree": "7f6e55b6aa1a619ea38719f3604958bf1f453b235c44ce03858322714ed9fe68",
}


def small(root, number=1):
    return imagenet.make(root, number, 1)


@pytest.mark.skipif(PIL.__version__ != PILLOW, reason=f"the digests are those of Pillow {PILLOW}")
@pytest.mark.parametrize("name", PINNED)
def test_bytes_are_pinned(name, request):
    tree = request.getfixturevalue(name)
    assert digest(tree) == read_marker(tree)["files"] == PINNED[name]


def test_complete_tree_is_kept_and_others_are_made_again(tmp_path):
    """Another size, or the version of an older program, draws the tree anew; nothing else is left in the folder."""
    marker = small(tmp_path / "tree") / MARKER
    before = marker.stat().st_mtime_ns
    small(tmp_path / "tree")
    assert marker.stat().st_mtime_ns == before
    small(tmp_path / "tree", 2)
    assert len(list((tmp_path / "tree").rglob("*.JPEG"))) == 30
    marker.write_text(json.dumps({**read_marker(tmp_path / "tree"), "version": 1}))
    small(tmp_path / "tree", 2)
    assert read_marker(tmp_path / "tree")["version"] == imagenet.VERSION
    assert [path.name for path in tmp_path.iterdir()] == ["tree"]


@pytest.mark.parametrize(
    ("module", "name"), [(imagenet, "thesis.tex"), (imagenet, "train"), (cityscapes, "leftImg8bit")]
)
def test_foreign_folder_is_not_replaced(module, name, tmp_path):
    """The real data have folders of the same names."""
    (tmp_path / name).write_text("years of work")
    with pytest.raises(DataError, match=rf"holds '{name}', .* not replaced"):
        module.make(tmp_path)
    assert (tmp_path / name).read_text() == "years of work"


def test_killed_run_leaves_nothing_under_the_name(tmp_path, monkeypatch):
    def killed(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(imagenet, "_save", killed)
    with pytest.raises(KeyboardInterrupt):
        small(tmp_path / "tree")
    assert not (tmp_path / "tree").exists()


def test_two_at_once_do_no_harm(tmp_path):
    errors = []

    def run():
        try:
            small(tmp_path / "tree", 2)
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=run) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert len(list((tmp_path / "tree").rglob("*.JPEG"))) == 30


@pytest.mark.parametrize(
    ("module", "options"),
    [
        (imagenet, ["--train-per-class", "1", "--val-per-class", "1"]),
        (cityscapes, ["--images-per-city", "1", "--height", "64", "--width", "128"]),
    ],
)
def test_command_says_where_it_is(module, options, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(module, "_write_tree", lambda *arguments: arguments[-1].mkdir())
    for said in ("drawn into", "in"):
        module.main(["--root", str(tmp_path / "tree"), *options])
        assert capsys.readouterr().out.startswith(f"sample data {said} {tmp_path / 'tree'} (")
    # No file of the default size has been drawn, so the digest is another.
    module.main(["--root", str(tmp_path / "default")])
    assert "warning: these files are not those of the locked Pillow" in capsys.readouterr().out
