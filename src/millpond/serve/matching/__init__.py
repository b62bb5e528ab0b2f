"""From the path of a request to the route that answers it."""
