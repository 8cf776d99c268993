"""Small data sets drawn by code, for the demos and the tests."""
