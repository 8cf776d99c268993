"""How the processes of a run start together, hear of signals, and end."""
