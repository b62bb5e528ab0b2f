"""Paths and patterns as people write them in code: made from values, and read again."""
