"""Calls the module of each subcommand, and prints an error as one message."""

import gc
import importlib
import os
import sys
import traceback
from collections.abc import Callable
from types import ModuleType

from processes.signals import left_by, listening
from records.errors import is_for_users, message_for_users
from studies import STUDIES, find
from training.checks.sources import nearest, refuse_unknown

TRAINING = {
    "fit": "train a network under a padding scheme; the same command again resumes",
    "validate": "accuracy or mIoU of a checkpoint on the validation set, under its scheme or another (padding_at_test)",
    "test": "a checkpoint on the reported set; of a segmentation network also tiled and at the border",
    "predict": "classify a folder of images with a checkpoint, or draw its segmentation over them",
}
SWEEPS = {
    "sweep": "run a W&B sweep file on this machine, without an account; --plan shows what is done and what it costs",
    "dashboard": "make the W&B workspace of a project: its curves grouped by padding",
}
MACHINE = {
    "doctor": "whether this machine can train: devices, all-reduce, disk; a configuration's data and speed",
    "cache": "decode the images of a configuration once, for a training that reads them faster",
}
GROUPS = {
    "training": TRAINING,
    "sweeps": SWEEPS,
    "studies": {study.name: study.help for study in STUDIES},
    "this machine": MACHINE,
}
COMMANDS = {name: text for commands in GROUPS.values() for name, text in commands.items()}


def main(arguments: list[str]) -> int:
    """Runs the command line `arguments`, without the program's name; returns the exit status, 2 for bad input."""
    command = arguments[0] if arguments else None
    if command in (None, "-h", "--help"):
        print(usage())
        return 0 if arguments else 2
    if command not in COMMANDS:
        print(f"error: unknown command '{command}'{nearest(command, [*COMMANDS])}\n\n{usage()}", file=sys.stderr)
        return 2
    try:
        start = load(command, arguments)
        with listening():
            return start(arguments)
    except Exception as error:
        return explain(error)


def load(command: str, arguments: list[str]) -> Callable[[list[str]], int]:
    """Returns the function that runs `command` with the command line `arguments`.

    Raises UserError if fit, validate, test or predict gets an option of an unknown group.
    """
    if command in TRAINING:
        refuse_unknown(arguments)
        return _imported("training.program").main
    study = find(command)
    run = _imported(f"cli.{command}.command").main if study is None else study.main
    return lambda arguments: run(arguments[1:])


def _imported(name: str) -> ModuleType:
    """Imports a module, late, so that `--help` and `report` need not wait for torch and Lightning.

    Garbage collection is off meanwhile: none of the million new objects is garbage, and looking for it would take a
    sixth of the time.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        return importlib.import_module(name)
    finally:
        if was_enabled:
            gc.enable()


def usage() -> str:
    """Returns the help of the program: all commands by group."""
    lines = ["usage: python main.py COMMAND [OPTIONS]"]
    for title, commands in GROUPS.items():
        lines += ["", f"{title}:", *(f"  {name:18} {text}" for name, text in commands.items())]
    return "\n".join([*lines, "", "python main.py COMMAND --help lists a command's options."])


def explain(error: Exception) -> int:
    """Prints the message of an error for the user, or the traceback of a defect; returns the exit status."""
    # After a signal any error is only the form in which a library passed on the SystemExit.
    if number := left_by():
        return 128 + number
    if not is_for_users(error):
        traceback.print_exception(error)
        return 1
    if "PADDING_TRACEBACK" in os.environ:
        traceback.print_exception(error)
    print(f"error: {message_for_users(error)}", file=sys.stderr)
    return getattr(error, "exit_status", 2)
