"""Bodies in content codings."""
