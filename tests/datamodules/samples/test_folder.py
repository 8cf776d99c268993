"""What both sample trees have in common: their digests, and what happens to a folder that is there already."""

import hashlib
from concurrent.futures import ThreadPoolExecutor

import PIL
import pytest

from datamodules import DataError
from datamodules.samples import cityscapes, imagenet
from datamodules.samples.folder import MARKER, command

# Digests of the trees of the fixtures, and their Pillow. Another picture needs another VERSION.
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
    tree, total = request.getfixturevalue(name), hashlib.sha256()
    images = [path for path in tree.rglob("*") if path.suffix in (".png", ".JPEG")]
    for path in sorted(images, key=lambda path: path.as_posix()):
        total.update(path.relative_to(tree).as_posix().encode() + b"\0" + path.read_bytes())
    assert total.hexdigest() == PINNED[name]


def test_what_is_there_is_kept_and_nothing_is_replaced(tmp_path):
    """Not drawings of another size, nor other data in folders of the same names, nor what lies there beside."""
    marker = small(tmp_path / "tree") / MARKER
    before = marker.stat().st_mtime_ns
    small(tmp_path / "tree")
    assert marker.stat().st_mtime_ns == before
    (tmp_path / "data/leftImg8bit").mkdir(parents=True)
    for module, root in ((imagenet, tmp_path / "tree"), (cityscapes, tmp_path / "data"), (imagenet, tmp_path / "data")):
        with pytest.raises(DataError, match=r"holds something else than .* and is not replaced\. Remove it"):
            module.make(root, 2)
    assert marker.stat().st_mtime_ns == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "tree"]


def test_killed_run_leaves_nothing_under_the_name(tmp_path, monkeypatch):
    def killed(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(imagenet, "_save", killed)
    with pytest.raises(KeyboardInterrupt):
        small(tmp_path / "tree")
    assert not (tmp_path / "tree").exists()


def test_two_at_once_do_no_harm(tmp_path):
    with ThreadPoolExecutor(3) as pool:
        assert [*pool.map(lambda _: small(tmp_path / "tree", 2), range(3))] == [tmp_path / "tree"] * 3
    assert len(list((tmp_path / "tree").rglob("*.JPEG"))) == 30


@pytest.mark.parametrize("module", [imagenet, cityscapes])
def test_command_says_where_it_is(module, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(module, "_write_tree", lambda *arguments: arguments[-1].mkdir())
    for _ in range(2):
        command(module.make, module.DEFAULT_ROOT, ["--root", str(tmp_path / "tree")])
        assert capsys.readouterr().out == f"sample data in {tmp_path / 'tree'}\n"
    with pytest.raises(SystemExit, match=r"^error: /dev/null: File exists; choose another folder with --root"):
        command(module.make, module.DEFAULT_ROOT, ["--root", "/dev/null/tree"])
