"""Every study of a folder of runs, bound into one page."""
