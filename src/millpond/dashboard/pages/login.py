"""The page to log in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from millpond.dashboard.rendering import rendered

if TYPE_CHECKING:
    from starlette.responses import HTMLResponse


def login_page(
    site: str,
    base: str,
    token: str,
    *,
    secure: bool,
    tries_left: int | None = None,
    locked: bool = False,
    status: int = 200,
) -> HTMLResponse:
    """The form to log in, or why that isn't possible.

    Args:
        site: the project's name.
        base: the path of the dashboard.
        token: what the form sends along.
        secure: whether the connection is encrypted; without that browsers don't keep the cookie.
        tries_left: how many tries are left after a wrong secret.
        locked: too many secrets were wrong.
        status: of the answer.
    """
    context = {
        "site": site,
        "base": base,
        "csrf": token,
        "secure": secure,
        "tries_left": tries_left,
        "locked": locked,
    }
    return rendered("login.html", context, status)
