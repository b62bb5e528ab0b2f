"""Who may change prices: whoever knows SHOP_ADMIN_TOKEN. Nobody, where it isn't set."""

from __future__ import annotations

import hmac
import os
from typing import Annotated

from fastapi import Header, HTTPException

HEADER = "x-admin-token"


def admin(x_admin_token: Annotated[str, Header()] = "") -> str:
    """A FastAPI dependency: the token, once it is known to be right; 401 otherwise.

    The token is read here and not at import: a build needs none.
    """
    expected = os.environ.get("SHOP_ADMIN_TOKEN", "")
    # compare_digest takes as long for a wrong token as for a right one: its time tells nothing about the token.
    if not expected or not hmac.compare_digest(x_admin_token.encode(), expected.encode()):
        raise HTTPException(401, f"The header {HEADER} has no right token.")
    return x_admin_token
