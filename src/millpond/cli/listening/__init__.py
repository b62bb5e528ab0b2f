"""Where a server listens: the options, and the environment."""
