"""Answers with the files of `public/`."""
