"""`[dashboard]`: who may see the dashboard in production."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterator

DASHBOARD_PATH = "/_millpond"
"""Where the dashboard is, below `base_path`. A folder with that name has no routes: it begins with `_` (R1.5)."""
_LONGEST_NAME = 40


class DashboardConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[dashboard]`: who may see the dashboard in production. It is off unless `secret_env` is set."""

    secret_env: str | None = None
    """The environment variable with the secret that lets people in."""
    users: tuple[str, ...] = ()
    """The names under which people act; () lets everybody who knows the secret give one of their own."""
    user_header: str | None = None
    """The request header in which a proxy says who somebody is, such as "x-forwarded-user". The proxy must remove it
    from clients' requests."""
    bodies: bool = False
    """Whether bodies of stored answers are shown. In `millpond dev` they are."""

    def problems(self) -> Iterator[str]:
        """What is wrong with the values."""
        for name in self.users:
            if not name.strip() or len(name) > _LONGEST_NAME or not name.isprintable():
                yield f'"dashboard.users" has {name!r}; a name has 1 to {_LONGEST_NAME} characters that can be printed.'
        if len(set(self.users)) != len(self.users):
            yield '"dashboard.users" has a name twice.'
        header = self.user_header
        if header is not None and not header.replace("-", "").isalnum():
            yield f'"dashboard.user_header" is "{header}"; it must be the name of a header, such as "x-forwarded-user".'
        if self.secret_env is None and (self.users or header is not None):
            name = "dashboard.users" if self.users else "dashboard.user_header"
            yield f'"{name}" needs "dashboard.secret_env", the name of a variable with the secret that lets people in.'
