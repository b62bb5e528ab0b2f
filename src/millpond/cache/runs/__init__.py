"""Runs that make entries: one at a time for each key, within a process and over processes."""
