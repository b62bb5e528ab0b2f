"""The access log: one record of the logger `millpond.access` for each request."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from millpond.serve.access.served_request import ServedRequest

access = logging.getLogger("millpond.access")

SERVED = "served"
"""The attribute of a record that has the ServedRequest."""


def is_logged() -> bool:
    """Whether requests are logged at all; nothing need be known of them otherwise."""
    return access.isEnabledFor(logging.INFO)


def log_request(served: ServedRequest) -> None:
    """Log a request that was answered. Ask `is_logged` before.

    A record has the fields of JSON as `fields`, as those of other loggers do. It is made without a look at the stack,
    which would say where this function is.
    """
    extra = {"fields": served.fields, SERVED: served}
    access.handle(
        access.makeRecord(access.name, logging.INFO, __file__, 0, served.message, (), None, "log_request", extra)
    )
