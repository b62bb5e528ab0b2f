"""Every private name that Millpond uses."""

from __future__ import annotations

from typing import TYPE_CHECKING

from millpond.internals import (
    client_names,
    cookie_names,
    fastapi_inclusion,
    fastapi_names,
    stack_names,
    starlette_names,
    uvicorn_names,
)

if TYPE_CHECKING:
    from millpond.internals.private_name import PrivateName


def every_name() -> tuple[PrivateName, ...]:
    """The private names of all packages; pictex must be installed."""
    from millpond.internals import pictex_copies, pictex_memory

    return (
        *fastapi_names.NAMES,
        *fastapi_inclusion.NAMES,
        *starlette_names.NAMES,
        *uvicorn_names.NAMES,
        *pictex_copies.NAMES,
        *pictex_memory.NAMES,
        *stack_names.NAMES,
        *cookie_names.NAMES,
        *client_names.NAMES,
    )
