"""How the valid part follows each torch function; `padding.masked.forward` imports the files."""
