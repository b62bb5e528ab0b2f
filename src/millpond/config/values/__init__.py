"""The values of keys: what may be written, and what is said of all else."""
