"""`fetch()`: upstream data, from the data cache if the rules allow it."""
