"""The error that this package raises."""


class EvaluationError(ValueError):
    """Tiles, proportions or class maps that cannot be evaluated as asked; the message names the value at fault."""

    for_users = True
