"""What measures speed: every number is a ratio of neighbours in time, with a null pair beside it."""
