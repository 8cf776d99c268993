"""What is wrong with a command line, found and said before anything is written."""
