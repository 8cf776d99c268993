"""Converts a model to a padding scheme: decides which layers to convert, and replaces their classes."""
