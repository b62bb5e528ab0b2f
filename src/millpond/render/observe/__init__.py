"""What a render touches besides the request, seen while it is built."""
