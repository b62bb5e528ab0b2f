"""The pages about what is stored: entries, tags, and data."""
