"""The error that the command line prints in one message, without a traceback."""


class UserError(Exception):
    """Bad input: the message says what was wrong, where, and what to do."""
