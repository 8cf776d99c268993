"""Tables 2, 3 and 5, Figure 1: the accuracy of each run, and differences from zero padding."""
