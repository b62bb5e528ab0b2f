"""The shared store: Valkey or Redis, for many machines."""
