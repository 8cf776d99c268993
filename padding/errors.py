"""The errors of this package."""


class PaddingError(ValueError):
    """A layer, a model or a scheme that cannot be padded as asked; the message names it and says what to do."""

    for_users = True


class UnfollowableError(PaddingError):
    """A network through whose code the valid part of its images cannot be followed; one image at a time it runs."""
