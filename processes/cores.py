"""How many CPU cores this process may use; nothing is imported for it."""

import os


def cores() -> int:
    """Those of its affinity, which a scheduler or container may narrow; macOS knows only the machine's."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
