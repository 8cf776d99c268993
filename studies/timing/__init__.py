"""Table 1: inference time of the padding schemes."""
