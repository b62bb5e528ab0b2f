"""What tells a cron's request from a visitor's: a secret in its Authorization header."""

from __future__ import annotations

import hmac
import os
import secrets
from typing import TYPE_CHECKING, Annotated

from fastapi import Header, HTTPException

from millpond.config.ranges import too_short
from millpond.errors import ConfigError

if TYPE_CHECKING:
    from starlette.requests import Request

VARIABLE = "CRON_SECRET"
"""The environment variable with a secret that others know, too: for schedulers outside of this server."""

_own = secrets.token_urlsafe(32)
"""Of this process. A cron's request never leaves the process that makes it, so nobody has to be told."""


def authorization() -> str:
    """The value of the header that a cron's request has.

    Raises:
        ConfigError: the secret in the environment can be guessed.
    """
    given = os.environ.get(VARIABLE)
    if given is None:
        return f"Bearer {_own}"
    problem = next(too_short(VARIABLE, given), None)
    if problem is not None:
        raise ConfigError(f"{problem}, in the environment")
    return f"Bearer {given.strip()}"  # what comes out of a file ends in a line break


def is_cron(request: Request) -> bool:
    """Whether a request is a cron's: of this server, or of somebody who knows `CRON_SECRET`.

    It reads a header, so a GET that asks is live.
    """
    return _is_right(request.headers.get("authorization"))


def cron_only(authorization: Annotated[str | None, Header()] = None) -> None:
    """A dependency, for `Depends(cron_only)`: answers 401 to all requests but those of crons."""
    if not _is_right(authorization):
        raise HTTPException(401, "this is for crons", {"www-authenticate": "Bearer"})


def _is_right(given: str | None) -> bool:
    return hmac.compare_digest((given or "").encode("utf-8"), authorization().encode("utf-8"))
