"""Figure 3: mean curves, epochs to a target, area between the curves."""
