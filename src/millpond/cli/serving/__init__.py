"""What `millpond start` does, without the packages that read command lines: workers and plain starts need none."""
