"""Cloudflare: a purge of cache tags through its API."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import msgspec

from millpond.policy.http.surrogate import purge_keys
from millpond.purge.purger import Answer, Call, Fate, Verdict, by_status

if TYPE_CHECKING:
    from collections.abc import Sequence

_TAGS_IN_A_CALL = 30
"""What it has always taken; its documentation says 100 by now."""


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
    most: int = _TAGS_IN_A_CALL - 1

    @property
    def name(self) -> str:
        return f"cloudflare {self.zone}"

    def call(self, tags: Sequence[str], *, hard: bool, now: float) -> Call:
        """A purge by tags; there are hard ones only."""
        del hard, now
        return Call(
            "POST",
            f"{self.api.rstrip('/')}/zones/{self.zone}/purge_cache",
            {"authorization": f"Bearer {self.token}", "content-type": "application/json"},
            msgspec.json.encode({"tags": purge_keys(tags)}),
        )

    def verdict(self, answer: Answer, now: float) -> Verdict:
        """By its status, and by what its body says: an error may come as 200."""
        verdict = by_status(answer, now)
        if verdict.fate is Fate.LATER:
            return verdict
        try:
            reply = msgspec.json.decode(answer.body, type=_Reply)
        except (msgspec.DecodeError, UnicodeDecodeError):
            if verdict.fate is Fate.REFUSED:
                return verdict
            return Verdict(Fate.LATER, f"it answered {answer.status}, and not as Cloudflare does")
        if reply.success and verdict.fate is Fate.DONE:
            return verdict
        errors = "; ".join(f"{error.message[:200]} ({error.code})" for error in reply.errors[:3])
        return Verdict(Fate.REFUSED, f"it answered {answer.status}: {errors or 'no success'}")
