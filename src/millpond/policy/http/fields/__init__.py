"""Values of header fields, parsed."""
