"""What of a project's folder matters besides its configuration."""
