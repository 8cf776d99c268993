"""Counts the CPU cores that this process may use, without importing anything heavy."""

import os


def cores() -> int:
    """Number of cores in the process's affinity, which a scheduler or container may limit; on macOS, of the machine."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
