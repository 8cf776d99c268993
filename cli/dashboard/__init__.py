"""`main.py dashboard ENTITY/PROJECT`: W&B pages that group the curves by padding."""
