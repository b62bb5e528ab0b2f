"""What an operator is told: counters, for all processes of a host together."""
