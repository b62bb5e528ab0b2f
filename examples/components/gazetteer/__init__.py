"""What the routes are made of: a SQLite database of rivers, and cached questions to it."""
