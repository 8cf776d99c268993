"""The error that this package raises."""


class EvaluationError(ValueError):
    """Tiles, proportions or class maps that cannot be evaluated as asked; the message names the value at fault.

    >>> issubclass(EvaluationError, ValueError)
    True
    """

    for_users = True
