"""One way in, one way out: from an ASGI request to its answer."""
