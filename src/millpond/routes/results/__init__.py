"""What a handler returned, as the body of its answer."""
