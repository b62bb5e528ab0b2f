"""The shop's own code. Routes import it by name, because the project folder is on sys.path."""
