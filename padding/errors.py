"""The one error of this package."""


class PaddingError(ValueError):
    """A layer, a model or a scheme that cannot be padded as asked; the message names it and says what to do."""
