"""Table 4: every checkpoint under every padding scheme."""
