"""Server processes: sockets, workers, event loops and shutdown."""
