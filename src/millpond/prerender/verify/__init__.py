"""Cache Components: checks whether an answer waits for the outside world (R9.2, R9.3). It runs only at build."""
