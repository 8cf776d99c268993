"""What masks of holes do behind partial convolutions."""
