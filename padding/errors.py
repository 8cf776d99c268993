"""The errors of this package."""


class PaddingError(ValueError):
    """A layer, a model or a scheme cannot be padded as asked; the message names it and says what to do.

    >>> import padding
    >>> padding.border_ratio(2, kernel_size=5)
    Traceback (most recent call last):
    padding.errors.PaddingError: a window of 5 taps, 1 apart, does not fit 2 positions padded (0, 0)
    """

    for_users = True


class UnfollowableError(PaddingError):
    """A network through whose code the valid part of its images cannot be followed; one image at a time it runs."""
