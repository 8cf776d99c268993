"""The padding schemes, one file per scheme or family, and their shared code. Importing a file registers its schemes."""

# The order of these imports is the order of `available_schemes()`.
from padding.schemes import extend, partial, fill, predict, distribution, learned, per_axis  # noqa: F401, I001
