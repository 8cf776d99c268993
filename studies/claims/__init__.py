"""Each claim of the paper, and of other papers on padding, and whether the runs support it."""
