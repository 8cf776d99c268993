"""Checks of a command line and its settings, before anything is written."""
