"""The caching rules as pure functions: no I/O, no clock, no randomness. `now` is an argument."""
