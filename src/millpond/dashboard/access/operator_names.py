"""Who somebody is: a name that is given at the login, or that a proxy tells, and whether it may be."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from millpond.config.telemetry.dashboard_config import DashboardConfig


class OperatorNames:
    """The names under which people act.

    Args:
        config: says which there are, and in which header a proxy tells them.
    """

    def __init__(self, config: DashboardConfig) -> None:
        self._users, self._header = config.users, config.user_header

    def told(self, headers: Mapping[str, str]) -> str | None:
        """The name that a proxy tells; "": none, though it should; None: no proxy is asked."""
        return None if self._header is None else headers.get(self._header.lower(), "").strip()

    def admits(self, name: str) -> bool:
        """Whether somebody of that name may look and act."""
        return not self._users or name in self._users
