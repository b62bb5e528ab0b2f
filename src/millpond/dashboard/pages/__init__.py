"""The pages, each from what it needs to know to what its template shows."""
