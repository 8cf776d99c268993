"""A damaged checkpoint is told from a whole one, whichever byte is damaged, and never by an error of its own."""

import random

import torch

from training.resume import is_whole


def test_flipped_bits_never_raise_and_those_in_tensors_are_found(tmp_path):
    path, tensor = tmp_path / "resume.ckpt", torch.arange(64, dtype=torch.float64) + 0.1
    torch.save({"weights": tensor, "epoch": 3}, path)
    whole = path.read_bytes()
    assert is_whole(path)
    start = whole.index(tensor.numpy().tobytes())
    draw = random.Random(0)
    # Headers make errors of many kinds.
    for place in range(0, len(whole), 5):
        damaged = bytearray(whole)
        damaged[place] ^= 1 << draw.randrange(8)
        path.write_bytes(damaged)
        found = is_whole(path)
        assert not (found and start <= place < start + 512), f"byte {place} is damaged, and it was not seen"


def test_a_cut_off_or_empty_file_is_not_whole(tmp_path):
    path = tmp_path / "resume.ckpt"
    torch.save({"weights": torch.ones(100)}, path)
    whole = path.read_bytes()
    for length in (0, 10, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        assert not is_whole(path)
    assert not is_whole(tmp_path / "absent.ckpt")
