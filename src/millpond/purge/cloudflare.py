"""Cloudflare: a purge of cache tags through its API."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import msgspec

from millpond.policy.http.surrogate import purge_keys
from millpond.purge.purger import PurgeOutcome, PurgeRequest, PurgeResponse, Verdict, by_status

if TYPE_CHECKING:
    from collections.abc import Sequence

_TAGS_PER_REQUEST = 100
"""The operations that one request may have, on every plan
(https://developers.cloudflare.com/cache/how-to/purge-cache/)."""


class _Error(msgspec.Struct):
    code: int = 0
    message: str = ""


class _Reply(msgspec.Struct):
    success: bool
    errors: list[_Error] = []


@dataclass(frozen=True, slots=True)
class CloudflarePurger:
    """One zone."""

    zone: str
    token: str = field(repr=False)
    api: str = "https://api.cloudflare.com/client/v4"
    max_tags: int = _TAGS_PER_REQUEST - 1

    @property
    def name(self) -> str:
        return f"cloudflare {self.zone}"

    def request(self, tags: Sequence[str], *, hard: bool, now: float) -> PurgeRequest:
        """A purge by tags; there are hard ones only."""
        del hard, now
        return PurgeRequest(
            "POST",
            f"{self.api.rstrip('/')}/zones/{self.zone}/purge_cache",
            {"authorization": f"Bearer {self.token}", "content-type": "application/json"},
            msgspec.json.encode({"tags": purge_keys(tags)}),
        )

    def verdict(self, response: PurgeResponse, now: float) -> Verdict:
        """By status and body: an error may come with status 200."""
        verdict = by_status(response, now)
        if verdict.outcome is PurgeOutcome.RETRY:
            return verdict
        try:
            reply = msgspec.json.decode(response.body, type=_Reply)
        except (msgspec.DecodeError, UnicodeDecodeError):
            if verdict.outcome is PurgeOutcome.REFUSED:
                return verdict
            return Verdict(PurgeOutcome.RETRY, f"it answered {response.status}, and not as Cloudflare does")
        if reply.success and verdict.outcome is PurgeOutcome.DONE:
            return verdict
        errors = "; ".join(f"{error.message[:200]} ({error.code})" for error in reply.errors[:3])
        return Verdict(PurgeOutcome.REFUSED, f"it answered {response.status}: {errors or 'no success'}")
