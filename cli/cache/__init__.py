"""`main.py cache`: decode the images of a configuration once."""
