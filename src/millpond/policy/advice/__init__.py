"""Advice: its kinds."""
