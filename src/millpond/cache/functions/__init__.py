"""`@cached`: functions whose results are cached by their arguments."""
