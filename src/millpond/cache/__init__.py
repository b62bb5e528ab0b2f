"""Answer from the store, fill it, invalidate it."""
