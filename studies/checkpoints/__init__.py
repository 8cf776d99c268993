"""Trained networks, loaded from run folders and evaluated under any scheme."""
