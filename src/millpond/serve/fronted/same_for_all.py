"""What tells that an answer that isn't from the cache is the same for everybody."""

SAME_FOR_ALL = "millpond.same_for_all"
"""The key of an ASGI scope under which whoever answers says so."""
