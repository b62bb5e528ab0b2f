"""Telling caches in front what was invalidated (`[[cdn.purge]]`)."""
