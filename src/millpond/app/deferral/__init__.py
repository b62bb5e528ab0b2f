"""A start after a build: route files that are as they were built are executed at their first use."""
