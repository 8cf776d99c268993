"""Errors whose message is written for the user: the program prints the message without a traceback.

Such a class has the attribute `for_users = True`. It needs no common base class, so that packages that import nothing
of the project can define one. `exit_status` is the program's if the input was not at fault; without it the status is 2.
"""

import os
import traceback

LONGEST = 300
"""Characters of a defect's message that `in_one_line` shows: torch lists every tensor that does not fit."""


class UserError(Exception):
    """Input that the program cannot work with. The message says what, where, and what to do."""

    for_users = True


class FailedRunError(Exception):
    """A run that cannot go on, though its input was right. The message says where it failed, and what was saved."""

    for_users = True
    exit_status = 1


class WriteError(OSError):
    """The system refused to write a file while the program was working; the message names the file and the reason."""

    for_users = True
    exit_status = 1


class RecordError(ValueError):
    """A file of results is damaged or has an unknown version; the message names the file."""

    for_users = True


class ForeignRecordError(RecordError):
    """The file is undamaged, but holds another kind of record."""


def is_for_users(error: BaseException) -> bool:
    """Returns whether the message of `error` is written for the user."""
    return getattr(error, "for_users", False) is True


def in_one_line(error: Exception) -> str:
    """Describes the error of one of several items in one line: its message, or the class and text of a defect.

    Also prints the traceback if PADDING_TRACEBACK is in the environment.
    """
    if "PADDING_TRACEBACK" in os.environ:
        traceback.print_exception(error)
    if is_for_users(error):
        return message_for_users(error)
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text if len(text) <= LONGEST else f'{text[:LONGEST]}...'}"


def message_for_users(error: Exception) -> str:
    """Returns the message of `error`; raises `error` itself if it is a defect, not an error for the user."""
    if not is_for_users(error):
        raise error
    text, name = str(error), f"{type(error).__name__}: "
    if "in DataLoader worker process" not in text or name not in text:
        return text
    # For an error in a loader process torch puts the worker's traceback before the message.
    return text.rpartition(name)[2].removesuffix("\n.").rstrip()
