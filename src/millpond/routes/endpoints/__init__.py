"""Endpoints that are declared in code, as FastAPI has them, and that have a caching model."""
