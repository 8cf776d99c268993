"""Figure 4: images that every run of one scheme gets wrong and every run of another right."""
