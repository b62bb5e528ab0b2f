"""Routes whose files are executed at their first use, after a build has looked at them."""
