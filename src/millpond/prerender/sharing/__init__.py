"""Several processes that render one build: each takes the next page, and one puts together what all have found."""
