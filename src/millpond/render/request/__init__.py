"""The request as handlers get it: every read is seen, and counts."""
