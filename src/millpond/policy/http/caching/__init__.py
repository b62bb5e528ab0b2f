"""What answers tell caches: which requests share one, and what is invalidated."""
