"""Advice: what costs more than it gives, and what is at risk, from what was counted, stored and built."""
