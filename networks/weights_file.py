"""What a file that was given as weights really is, in words for the user."""

import re
import zipfile
from pathlib import Path
from typing import Any

from torch import Tensor


def describe_unreadable(path: str | Path, error: Exception | None = None) -> str:
    """What a file is that torch.load refuses, such as `is text`; no part of it is run to find out.

    Args:
        error: what torch.load raised, if it was called. Of a foreign file it is often a KeyError, and says nothing.
    """
    if code := re.search(r"nsupported .*?GLOBAL (\S+)", str(error)):
        return f"holds the object {code[1]}, which torch refuses to load: it could run any program"
    try:
        with open(path, "rb") as file:
            start = file.read(512)
    except OSError as problem:
        return f"cannot be read: {problem.strerror}"
    if not start:
        return "is empty"
    if start.startswith(b"PK"):
        return _describe_zip(path)
    if start.startswith(b"\x80"):
        return "is a pickle that holds no weights"
    return "is text, no weights" if start.isascii() and b"\0" not in start else "is no file of weights"


def _describe_zip(path: str | Path) -> str:
    try:
        with zipfile.ZipFile(path) as archive:
            named = any(name.endswith("data.pkl") for name in archive.namelist())
    except (zipfile.BadZipFile, OSError, ValueError):
        return "is damaged: a part of it is missing"
    return "is damaged" if named else "is a zip file without weights"


def describe_content(content: Any) -> str:
    """What was loaded in place of a checkpoint, such as `is a state dict (conv1.weight, ...)`."""
    if isinstance(content, Tensor):
        return f"holds a single tensor of shape {tuple(content.shape)}"
    if not isinstance(content, dict):
        return f"holds a {type(content).__name__}"
    names = ", ".join(map(str, list(content)[:3])) + (", ..." if len(content) > 3 else "")
    if content and all(isinstance(value, Tensor) for value in content.values()):
        return f"is a bare state dict ({names}), as timm and torchvision save them"
    return f"holds {names or 'nothing'}"
