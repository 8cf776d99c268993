"""Intervals, tests, and how many seeds a claim needs."""
