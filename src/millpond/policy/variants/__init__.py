"""The parts of a request besides path and query that select another answer: its host, a language, cookies, headers."""
