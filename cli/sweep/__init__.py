"""`main.py sweep FILE`: runs a W&B sweep file on this machine."""
