"""Figures: how they are written, and how they are drawn."""
