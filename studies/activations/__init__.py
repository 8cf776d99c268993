"""Figure 5: activation maps of the padding schemes side by side."""
