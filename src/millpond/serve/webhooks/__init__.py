"""Webhooks of content management systems and others: calls that are verified, and mean tags and paths."""
