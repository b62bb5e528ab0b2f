"""Run handlers, and learn what their answers depend on."""

from millpond.render.request.cookie_unquoting import install

install()
