"""Figure 3: mean curves, and epochs to a target."""
