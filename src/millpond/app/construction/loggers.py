"""Millpond's own loggers, which a logging configuration of the project's doesn't switch off by accident."""

from __future__ import annotations

import logging

LOGGERS = (
    "millpond",
    "millpond.access",
    "millpond.after",
    "millpond.cache",
    "millpond.cron",
    "millpond.dashboard",
    "millpond.dev",
    "millpond.environment",
    "millpond.fetch",
    "millpond.internals",
    "millpond.purge",
    "millpond.render",
    "millpond.serve",
    "millpond.stores",
    "millpond.telemetry",
    "millpond.testing",
)

_witness = logging.getLogger("millpond.witness")
"""Nothing is logged to it, so nobody names it: if it is disabled, all loggers were that a configuration didn't name."""


def enable_loggers() -> None:
    """Enable Millpond's loggers again if a logging configuration has disabled them with all others.

    `logging.config.dictConfig` and `fileConfig` disable every logger that exists and that they don't name, unless told
    `disable_existing_loggers=False`. Millpond's exist as soon as it is imported, and report what fails.

    What was chosen for a logger by its name stays: level, handlers, filters and propagation; and one that was disabled
    alone stays disabled.
    """
    if not _witness.disabled:
        return
    _witness.disabled = False
    for name in LOGGERS:
        logging.getLogger(name).disabled = False
