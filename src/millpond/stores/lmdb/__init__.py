"""The embedded store: LMDB, for the processes of one machine."""
