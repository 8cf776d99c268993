"""Scripts that measure speed. Every number is a ratio of neighbouring runs, beside the ratio of two equal runs."""
