"""The application: the composition root, which assembles the other packages."""

from millpond.app.application import Millpond

__all__ = ["Millpond"]
