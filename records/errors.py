"""Errors whose message is written for the user: the program prints it alone, without a traceback.

Such a class has the attribute `for_users = True`, in any package: what imports nothing of the project can have it, too.
`exit_status` is the program's where the input was not at fault; without it the status is 2.
"""

import os
import traceback

LONGEST = 300
"""Characters of a defect's text that `in_one_line` shows: torch names every tensor that does not fit."""


class UserError(Exception):
    """Input that the program cannot work with. The message says what, where, and what to do."""

    for_users = True


class FailedRunError(Exception):
    """A run that cannot go on, though its input was right. The message says where it failed, and what is left of it."""

    for_users = True
    exit_status = 1


class WriteError(OSError):
    """A file that the system did not let be written, in mid-work; the message names it and says why."""

    for_users = True
    exit_status = 1


class RecordError(ValueError):
    """A file of results that is damaged or of an unknown version; the message names it."""

    for_users = True


class ForeignRecordError(RecordError):
    """An undamaged file, but of another kind of record."""


def is_for_users(error: BaseException) -> bool:
    """Whether the message of `error` is written for the user."""
    return getattr(error, "for_users", False) is True


def in_one_line(error: Exception) -> str:
    """What went wrong with one of several things, for the others to go on: the message, or a defect's kind and text.

    With PADDING_TRACEBACK in the environment the traceback is printed, too.
    """
    if "PADDING_TRACEBACK" in os.environ:
        traceback.print_exception(error)
    if is_for_users(error):
        return message_for_users(error)
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text if len(text) <= LONGEST else f'{text[:LONGEST]}...'}"


def message_for_users(error: Exception) -> str:
    """The message of `error`. Raises `error` itself if it is not written for the user, but a defect."""
    if not is_for_users(error):
        raise error
    text, name = str(error), f"{type(error).__name__}: "
    if "in DataLoader worker process" not in text or name not in text:
        return text
    # torch puts the worker's traceback before the message of an error in a loader process.
    return text.rpartition(name)[2].removesuffix("\n.").rstrip()
