"""`fetch()`: upstream data, from the data cache where the rules allow it."""
