"""What the shell does for the command line."""
