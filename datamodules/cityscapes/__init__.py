"""Cityscapes, and any data set in its layout and label ids."""
