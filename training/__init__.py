"""Runs `fit`, `validate`, `test` and `predict` on a Lightning module: command line, run folder, resuming, callbacks."""
