"""Hints about files that look like routes of another framework, and about projects without any."""
