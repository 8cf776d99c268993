"""Errors whose message is written for the user: the program prints it alone."""

import sys


class UserError(Exception):
    """Input that the program cannot work with. The message says what, where, and what to do."""


def user_errors() -> tuple[type[Exception], ...]:
    """The classes whose message is written for the user; only those whose module was imported can have been raised."""
    names = [
        ("padding", "PaddingError"),
        ("datamodules", "DataError"),
        ("records", "RunFolderError"),
        ("networks.create", "NetworkError"),
        ("lightning_modules.errors", "ModelError"),
        ("evaluation", "EvaluationError"),
        ("records.evaluation", "EvaluationFileError"),
        ("studies.timing.record", "TimingFileError"),
    ]
    loaded = [getattr(sys.modules[module], name) for module, name in names if module in sys.modules]
    return (UserError, *loaded)


def message_of(error: Exception) -> str:
    """The message of an error; of one that a loader process raised, without the traceback that torch puts before it."""
    text, name = str(error), f"{type(error).__name__}: "
    if "in DataLoader worker process" not in text or name not in text:
        return text
    return text.rpartition(name)[2].removesuffix("\n.").rstrip()
