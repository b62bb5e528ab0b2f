"""What `millpond warm`, `millpond start --warm` and `millpond refresh` share."""
