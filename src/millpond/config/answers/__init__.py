"""The tables about all answers: `[[headers]]`, `[[redirects]]` and `[cors]`."""
