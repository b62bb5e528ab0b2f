"""Route files and what they export: from folders and modules to routes and operations."""
