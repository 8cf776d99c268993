"""Errors of the training modules."""


class ModelError(ValueError):
    """A setting of the model is wrong, or a checkpoint does not fit it; the message says what to change."""

    for_users = True


def checked(name: str, value: object, valid: bool, must: str, group: str = "model") -> None:
    """Raises ModelError, which says what the option `group.name` must be, unless its value is `valid`."""
    if not valid:
        raise ModelError(f"{group}.{name} is {value!r}; it must be {must}")
