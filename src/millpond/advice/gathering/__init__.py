"""Gathers what is known of an application: from its build, its store, and what its servers have counted."""
