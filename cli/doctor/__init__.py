"""`main.py doctor`: checks whether this machine can run the experiments."""
