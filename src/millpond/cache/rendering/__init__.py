"""Renders of answers, as they are traced, counted, and told where they fail."""
