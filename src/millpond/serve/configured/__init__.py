"""What the configuration does to all answers: `[[headers]]`, `[[redirects]]` and `[cors]`."""
