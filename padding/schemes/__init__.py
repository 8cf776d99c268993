"""The padding schemes, one file a scheme or family, and what they share. Importing a file registers its schemes."""

from padding.schemes import extend, partial, fill, predict, distribution, learned, per_axis  # noqa: I001  (the order of their list)

__all__ = ["distribution", "extend", "fill", "learned", "partial", "per_axis", "predict"]
