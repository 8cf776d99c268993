"""Does a network use where something is instead of what it is? The red-green test of absolute location."""
