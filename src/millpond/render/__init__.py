"""Run a handler, and learn what its answer depended on."""

from millpond.render.unquoting import install

install()
