"""`@cached`: results of functions, kept by their arguments."""
