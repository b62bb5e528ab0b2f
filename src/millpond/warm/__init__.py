"""Warming: asks for the paths that visitors will ask for, so that they find answers (`millpond warm`)."""
