"""Work on many entries or rows of the embedded store, in steps of a few milliseconds."""
