"""The padding schemes, one file a scheme or family, and what they share. Importing a file registers its schemes."""

from padding.schemes import extend, partial

__all__ = ["extend", "partial"]
