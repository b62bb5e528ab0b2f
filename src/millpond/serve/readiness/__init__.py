"""Readiness for orchestrators: whether requests may be sent to this process (`[server] ready_path`)."""
