"""The check of a folder of images: what cannot be decoded, and what still decodes but has changed."""

import shutil

import pytest

from datamodules.cityscapes.check import main as check_scenes
from datamodules.imagenet.check import main
from datamodules.loading.decode import decode_rgb


def flip(file):
    """Flips a bit of a JPEG's data in such a way that it still decodes, to another image."""
    before, pixels = file.read_bytes(), decode_rgb(str(file)).tobytes()
    for place in range(len(before) - 20, 0, -1):
        file.write_bytes(before[:place] + bytes([before[place] ^ 4]) + before[place + 1 :])
        if decode_rgb(str(file)).tobytes() != pixels:
            return
    raise AssertionError("no flip that decodes")


@pytest.fixture
def check(sample_tree, tmp_path, capsys):
    """A copy of the sample tree, and a function: status and output of a check of it."""
    tree = shutil.copytree(sample_tree, tmp_path / "tree")

    def call(*options, command=main):
        status = command([str(tree), "--workers", "0", *options])
        said = capsys.readouterr()
        return status, said.out + said.err

    return tree, call


def test_headers_and_counts(check):
    tree, call = check
    assert call() == (0, f"{tree}: all headers read\ntrain: 60 images of 10 classes\nval: 30 images of 10 classes\n")
    assert call("--workers", "-1") == (2, "error: `workers` is -1; it must be at least 0.\n")
    next((tree / "val").rglob("*.JPEG")).write_bytes(b"")
    status, said = call()
    assert status == 2
    assert "error: " in said
    assert "1 of 30 images cannot be used" in said


def test_a_deep_check_finds_what_changed_since_the_last_one(check, tmp_path):
    tree, call = check
    assert "digests of 90 files were kept in" in call("--deep")[1]
    assert "all 90 files are as when their digests were kept" in call("--deep")[1]
    image = next((tree / "val").rglob("*.JPEG"))
    shutil.copy(image, image.with_name("new.JPEG"))
    assert "; 1 are new" in call("--deep")[1]
    victim = sorted((tree / "train").rglob("*.JPEG"))[5]
    flip(victim)
    assert call()[0] == 0, "its header and its pixels can be read"
    status, said = call("--deep")
    assert status == 2
    assert "1 of 91 files have changed since the digests in " in said
    assert str(victim.relative_to(tree)) in said
    victim.unlink()
    assert "1 of 91 files are gone" in call("--deep")[1]
    assert call("--deep", "--digests", str(tmp_path / "own.json"))[0] == 0
    (tmp_path / "own.json").write_text("[1")
    assert "own.json: holds no digests" in call("--deep", "--digests", str(tmp_path / "own.json"))[1]
    assert "cannot be written" in call("--deep", "--digests", "/proc/no/file")[1]


def test_scenes_too(street_tree, tmp_path, capsys):
    tree = shutil.copytree(street_tree, tmp_path / "streets")
    arguments = [str(tree), "--workers", "0", "--deep", "--digests", str(tmp_path / "kept.json")]
    assert check_scenes(arguments) == check_scenes(arguments) == 0
    kept = (tmp_path / "kept.json").read_text()
    assert check_scenes([*arguments, "--no-coarse"]) == 0, "what was not read is not gone"
    assert (tmp_path / "kept.json").read_text() == kept
    labels = sorted((tree / "gtFine" / "train").rglob("*_labelIds.png"))
    shutil.copy(labels[0], labels[1])
    assert check_scenes(arguments) == 2
    assert "1 of 50 files have changed" in capsys.readouterr().err
