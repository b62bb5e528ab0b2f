"""Whoever reads part of a request, by the run that the code belongs to: what comes of it may be for others."""

from __future__ import annotations

from millpond.render.scope import Phase, Purpose, current, named

# A look at an Enum takes longer than all else that happens here.
_FILL, _FOR_ONE, _RUNNING = Purpose.FILL, (Purpose.LIVE, Purpose.DRAFT), Phase.HANDLER


def is_for_others() -> bool:
    """Whether this code runs inside of a cached function, or of a render for everybody."""
    reader = current()
    return reader is not None and reader.purpose not in _FOR_ONE


def in_fill() -> bool:
    """Whether this code runs inside of a cached function whose result isn't out yet."""
    reader = current()
    return reader is not None and reader.purpose is _FILL and reader.phase is _RUNNING


def refuse_in_fill(api: str, key: object = None) -> None:
    """Part of a request is read: inside of a cached function its result would be that request's own (R5.24).

    Args:
        key: what is asked for, where `api` is a mapping.

    Raises:
        UsageError: a cached function is being run here.
    """
    reader = current()
    if reader is not None and reader.purpose is _FILL and reader.phase is _RUNNING:
        reader.misuse(named(api, key))


def refuse_elsewhere(api: str, key: object = None) -> None:
    """As `refuse_in_fill`, for a visitor's request, which the user's code may have kept in a global: a render for
    everybody that reads it ends, as it does where it asks for a request of its own (R3.9).

    Raises:
        UsageError: a cached function is being run here.
        DynamicAccess: a render for everybody is.
    """
    reader = current()
    if reader is not None and reader.purpose not in _FOR_ONE and reader.phase is _RUNNING:
        reader.record_foreign_access(named(api, key))
