"""Webhooks that invalidate: how a sender proves who it is, and which tags and paths its payload names."""
