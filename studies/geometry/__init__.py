"""What padding does to a network without training and without data."""
