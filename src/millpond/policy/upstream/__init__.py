"""What upstreams say of their answers, and how long these may be used (RFC 9111)."""
