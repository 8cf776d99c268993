"""Cropped images against padded batches, with and without a mask."""
