"""What `fit`, `validate`, `test` and `predict` do around a Lightning module."""
