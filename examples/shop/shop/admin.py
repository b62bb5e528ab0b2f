"""Who may change prices: whoever knows SHOP_ADMIN_TOKEN. Nobody, where it isn't set.

A script sends the token itself. A person signs in with it once, and then has a session: a cookie that is signed, so
that nobody but the shop can make one.
"""

from __future__ import annotations

import hmac
import os
from typing import Annotated

from fastapi import Cookie, Header, HTTPException
from itsdangerous import BadSignature, TimestampSigner

HEADER, COOKIE = "x-admin-token", "session"
LASTS = 8 * 60 * 60
"""Seconds for which a session is good."""


def admin_token() -> str:
    """SHOP_ADMIN_TOKEN; it is read here and not at import: a build needs none."""
    return os.environ.get("SHOP_ADMIN_TOKEN", "")


def is_right(token: str) -> bool:
    """Whether a token is the admin's."""
    expected = admin_token()
    # compare_digest takes as long for a wrong token as for a right one: its time tells nothing about the token.
    return bool(expected) and hmac.compare_digest(token.encode(), expected.encode())


def new_session() -> str:
    """The cookie of somebody who has signed in."""
    return _signer().sign("admin").decode("ascii")


def is_signed_in(session: Annotated[str, Cookie()] = "") -> bool:
    """A FastAPI dependency: whether the request has a session. A GET that asks for it is live, as it reads a cookie."""
    try:
        return bool(admin_token()) and _signer().unsign(session, max_age=LASTS) == b"admin"
    except BadSignature:  # also of a session that has ended
        return False


def admin(x_admin_token: Annotated[str, Header()] = "", session: Annotated[str, Cookie()] = "") -> None:
    """A FastAPI dependency: lets an admin pass, by the token or by a session; 401 for anybody else."""
    if not is_right(x_admin_token) and not is_signed_in(session):
        raise HTTPException(401, f"Sign in at /api/session, or send the token in {HEADER}.")


def _signer() -> TimestampSigner:
    """Signs with a key that is derived from the token: a new token ends all sessions."""
    return TimestampSigner(admin_token(), salt="shop.session")
