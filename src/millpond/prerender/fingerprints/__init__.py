"""Whether a route is the same in two builds."""
