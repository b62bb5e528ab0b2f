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
    asks_name: bool = True,
    unknown: str = "",
    unnamed: str = "",
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
        asks_name: whether the form asks who somebody is; else a proxy tells it.
        unknown: the name that was given, and isn't one of `[dashboard] users`.
        unnamed: the header in which a proxy was to say who somebody is, and didn't.
        status: of the answer.
    """
    context = {
        "site": site,
        "base": base,
        "csrf": token,
        "secure": secure,
        "tries_left": tries_left,
        "locked": locked,
        "asks_name": asks_name,
        "unknown": unknown,
        "unnamed": unnamed,
    }
    return rendered("login.html", context, status)
