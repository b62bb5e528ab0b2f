"""What a request asks for: the spelling of its path, and the content of a QUERY."""
