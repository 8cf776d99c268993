"""Every study of a folder of runs on one page."""
