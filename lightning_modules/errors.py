"""Errors of the training modules."""


class ModelError(ValueError):
    """A setting of the model, or a checkpoint that does not fit it; the message says what to change."""

    for_users = True
