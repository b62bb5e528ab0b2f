"""What is told of each request, once: the access log."""
