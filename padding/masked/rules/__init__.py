"""How the valid part follows each torch function."""

from padding.masked.rules import arithmetic, axes, convolutions, pools, reductions, rows, singly  # noqa: F401
