"""Servers as processes: sockets, workers, event loops, and how they end."""
