"""The padding schemes, one file a scheme or family, and what they share."""
