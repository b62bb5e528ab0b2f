"""Run a handler, and learn what its answer depended on."""
