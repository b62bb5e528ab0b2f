"""What `millpond warm` and `millpond start --warm` share."""
