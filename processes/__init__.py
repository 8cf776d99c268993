"""Starts the processes of a run together, handles their signals, and ends them together."""
