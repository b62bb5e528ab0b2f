"""What handlers are passed: which parameter is what, by its name and annotation."""
