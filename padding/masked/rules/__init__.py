"""How the valid part follows each torch function."""

from . import arithmetic, axes, convolutions, pools, reductions, rows, singly  # noqa: F401
