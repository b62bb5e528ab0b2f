"""While you write: reload on change, and errors as pages."""
