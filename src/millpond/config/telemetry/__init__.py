"""Tables of the configuration about what operators see."""
