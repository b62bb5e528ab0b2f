"""Failures of handlers as operators see them: grouped, with the project's own lines, and without secrets."""
