"""What a kill leaves of W&B's files: an empty attempt is moved away, one with records stays."""

from training.loggers import set_aside_empty


def test_only_attempts_without_a_record_are_set_aside(tmp_path):
    contents = {"offline-run-1": b":W&B..\0record", "offline-run-2": b":W&B..\0", "offline-run-3": b"", "run-4": b""}
    for name, content in contents.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "run-id.wandb").write_bytes(content)
    (tmp_path / "offline-run-5").mkdir()
    assert [path.name for path in set_aside_empty(tmp_path)] == [
        "empty-offline-run-2",
        "empty-offline-run-3",
        "empty-offline-run-5",
    ]
    assert sorted(path.name for path in tmp_path.glob("offline-run-*")) == ["offline-run-1"]
    assert (tmp_path / "empty-offline-run-2/run-id.wandb").read_bytes() == contents["offline-run-2"]
    assert set_aside_empty(tmp_path) == []
    # Killed within one second, the next attempts have the same name.
    for count in (2, 3):
        (tmp_path / "offline-run-2").mkdir()
        assert [path.name for path in set_aside_empty(tmp_path)] == [f"empty-offline-run-2-{count}"]
    assert set_aside_empty(tmp_path / "none") == []
