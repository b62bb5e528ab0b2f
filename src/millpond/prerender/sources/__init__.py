"""Which files of the project a build was made of."""
