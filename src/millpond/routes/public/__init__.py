"""`public/`: files that are served as they are."""
