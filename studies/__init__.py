"""Studies of finished runs: one file for each table or figure of the paper, and the report that binds them."""
