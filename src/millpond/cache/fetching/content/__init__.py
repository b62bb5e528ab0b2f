"""What the bytes of an upstream's answer mean."""
