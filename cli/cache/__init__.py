"""`main.py cache`: decodes the images of a configuration once."""
