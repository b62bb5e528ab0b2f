"""What live runs do that might have been spared: what they read of the request, and which requests are equal."""
