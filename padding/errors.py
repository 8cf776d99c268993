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
    """A network through whose code masks cannot be followed; `forward_singly` runs it on one image at a time.

    >>> import padding, torch
    >>> padding.forward_masked(torch.nn.Softmax(), torch.ones(2, 1, 4, 4), [(4, 3), (3, 4)])
    Traceback (most recent call last):
    padding.errors.UnfollowableError: ...
    """
