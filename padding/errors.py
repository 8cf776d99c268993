"""The errors of this package."""


class PaddingError(ValueError):
    """Raised if a layer, a model or a scheme cannot be padded as asked; the message names it and says what to do.

    >>> import padding
    >>> padding.border_ratio(2, kernel_size=5)
    Traceback (most recent call last):
    padding.errors.PaddingError: a window of 5 taps, 1 apart, does not fit 2 positions padded (0, 0)
    """

    for_users = True


class UnfollowableError(PaddingError):
    """Raised if masks cannot be followed through a network's code; `forward_singly` runs it on one image at a time.

    >>> import padding, torch
    >>> padding.forward_masked(torch.nn.Softmax(), torch.ones(2, 1, 4, 4), [(4, 3), (3, 4)])
    Traceback (most recent call last):
    padding.errors.UnfollowableError: ...
    """
