"""Each claim of the paper, and whether the runs support it."""
