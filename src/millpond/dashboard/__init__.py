"""The dashboard: what the application does, for the people who operate it."""
