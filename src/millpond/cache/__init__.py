"""The cache: answer from the store, fill it, and invalidate it."""
