"""Prerender everything that can be, write it down, and say why."""
