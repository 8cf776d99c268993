"""The error that this package raises."""


class EvaluationError(ValueError):
    """Raised if tiles, proportions or class maps cannot be evaluated as asked; the message names the wrong value.

    >>> issubclass(EvaluationError, ValueError)
    True
    """

    for_users = True
