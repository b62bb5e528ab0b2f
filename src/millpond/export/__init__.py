"""millpond export: the static answers of a build as files, for object stores and servers of files."""
