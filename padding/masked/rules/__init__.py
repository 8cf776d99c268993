"""The rules: where the output of each torch function is valid; `padding.masked.forward` imports the files."""
