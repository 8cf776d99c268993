"""The padding schemes, one file a scheme or family, and what they share. Importing a file registers its schemes."""

# In the order of their list.
from padding.schemes import extend, partial, fill, predict, distribution, learned, per_axis  # noqa: F401, I001
