"""W&B's files of offline attempts: those that a kill left empty are moved out of the way of `wandb sync`."""

from pathlib import Path

HEADER = 7
"""Bytes that W&B's client writes before the first record of a run's file."""

SEGMENTS = "offline-run-*"


def set_aside_empty(folder: Path) -> list[Path]:
    """Renames `offline-run-...` below `folder`, a run's wandb/, to `empty-offline-run-...` where it holds no record.

    `wandb sync` (0.31.0) gives up at such a file, with exit status 0, and does not upload the attempts after it.
    Call it only while no process writes there.

    Returns:
        The new paths.
    """
    empty = [segment for segment in sorted(folder.glob(SEGMENTS)) if _holds_nothing(segment)]
    return [segment.rename(segment.with_name(f"empty-{segment.name}")) for segment in empty]


def _holds_nothing(segment: Path) -> bool:
    return all(file.stat().st_size <= HEADER for file in segment.glob("*.wandb"))
