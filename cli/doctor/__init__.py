"""`main.py doctor`: whether this machine can run the experiments."""
