"""How well absolute position can be read from what a frozen network computes."""
