"""Fastly: a purge of surrogate keys through its API."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from millpond.policy.http.surrogate import purge_keys
from millpond.purge.purger import PurgeRequest, PurgeResponse, Verdict, by_status

if TYPE_CHECKING:
    from collections.abc import Sequence

_KEYS_PER_REQUEST = 256


@dataclass(frozen=True, slots=True)
class FastlyPurger:
    """One service."""

    service: str
    token: str = field(repr=False)
    api: str = "https://api.fastly.com"
    max_tags: int = _KEYS_PER_REQUEST - 1

    @property
    def name(self) -> str:
        return f"fastly {self.service}"

    def request(self, tags: Sequence[str], *, hard: bool, now: float) -> PurgeRequest:
        """A bulk purge; a soft one marks as stale."""
        del now
        headers = {
            "fastly-key": self.token,
            "surrogate-key": " ".join(purge_keys(tags)),
            "accept": "application/json",
            **({} if hard else {"fastly-soft-purge": "1"}),
        }
        return PurgeRequest("POST", f"{self.api.rstrip('/')}/service/{self.service}/purge", headers)

    def verdict(self, response: PurgeResponse, now: float) -> Verdict:
        return by_status(response, now)
