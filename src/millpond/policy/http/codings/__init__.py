"""Content codings of live answers; those of stored answers are judged by `http/coding`."""
