"""Varnish: purges with vmod xkey, or bans, by HTTP to a VCL that accepts them (docs/deploy.md)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from millpond.policy.http.surrogate import purge_keys
from millpond.purge.purger import PurgeOutcome, PurgeRequest, PurgeResponse, Verdict, by_status

if TYPE_CHECKING:
    from collections.abc import Sequence

_PURGED = "xkey-purged"
"""The header by which our VCL says that it purged by keys: other VCLs answer 200 to PURGE and drop one path only."""


@dataclass(frozen=True, slots=True)
class VarnishPurger:
    """One Varnish."""

    address: str
    bans: bool
    token: str | None = field(default=None, repr=False)
    max_tags: int = 100
    """Keys of 32 characters stay below the 8 KiB that Varnish takes in one header."""

    @property
    def name(self) -> str:
        return f"varnish {urlsplit(self.address).hostname}:{urlsplit(self.address).port or ''}".rstrip(":")

    def request(self, tags: Sequence[str], *, hard: bool, now: float) -> PurgeRequest:
        """PURGE with the keys in `xkey-purge` or `xkey-softpurge`; or BAN, always hard, with an expression."""
        del now
        keys = purge_keys(tags)
        headers = {} if self.token is None else {"authorization": f"Bearer {self.token}"}
        if self.bans:
            return PurgeRequest(
                "BAN", self.address, {**headers, "xkey-ban": "|".join(key.replace(".", r"\.") for key in keys)}
            )
        return PurgeRequest(
            "PURGE", self.address, {**headers, "xkey-purge" if hard else "xkey-softpurge": " ".join(keys)}
        )

    def verdict(self, response: PurgeResponse, now: float) -> Verdict:
        verdict = by_status(response, now)
        confirmed = any(name.lower() == _PURGED for name in response.headers)
        if (verdict.outcome is PurgeOutcome.DONE and not confirmed) or response.status in (404, 405, 501):
            return Verdict(
                PurgeOutcome.REFUSED,
                f"it answered {response.status}, and purged no keys: its VCL needs what docs/deploy.md has",
            )
        return verdict
