"""A refresh: what tags and paths reach is rendered now, and what fails to be keeps its old answer."""
