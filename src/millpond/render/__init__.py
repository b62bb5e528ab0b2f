"""Run a handler, and learn what its answer depended on."""

from millpond.render.request.unquoting import install

install()
