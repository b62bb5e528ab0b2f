"""The application: the one place that knows how the other rooms are put together."""

from millpond.app.application import Millpond

__all__ = ["Millpond"]
