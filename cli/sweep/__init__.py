"""`main.py sweep FILE`: the runs of a W&B sweep file on this machine."""
