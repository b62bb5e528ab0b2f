"""Varnish: purges by the index of vmod xkey, or bans, both by HTTP to a VCL that takes them (docs/deploy.md)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from millpond.policy.http.surrogate import purge_keys
from millpond.purge.purger import Answer, Call, Fate, Verdict, by_status

if TYPE_CHECKING:
    from collections.abc import Sequence

_PURGED = "xkey-purged"
"""Our VCL's word that it purged by keys. Many a VCL answers 200 to PURGE and forgets the one path that was asked."""


@dataclass(frozen=True, slots=True)
class VarnishPurger:
    """One Varnish."""

    address: str
    bans: bool
    token: str | None = field(default=None, repr=False)
    most: int = 100
    """Keys of 32 characters stay below the 8 KiB that Varnish takes in one header."""

    @property
    def name(self) -> str:
        return f"varnish {urlsplit(self.address).hostname}:{urlsplit(self.address).port or ''}".rstrip(":")

    def call(self, tags: Sequence[str], *, hard: bool, now: float) -> Call:
        """PURGE with the keys in `xkey-purge` or `xkey-softpurge`; or BAN, always hard, with an expression."""
        del now
        keys = purge_keys(tags)
        headers = {} if self.token is None else {"authorization": f"Bearer {self.token}"}
        if self.bans:
            return Call("BAN", self.address, {**headers, "xkey-ban": "|".join(key.replace(".", r"\.") for key in keys)})
        return Call("PURGE", self.address, {**headers, "xkey-purge" if hard else "xkey-softpurge": " ".join(keys)})

    def verdict(self, answer: Answer, now: float) -> Verdict:
        verdict = by_status(answer, now)
        said = any(name.lower() == _PURGED for name in answer.headers)
        if (verdict.fate is Fate.DONE and not said) or answer.status in (404, 405, 501):
            return Verdict(
                Fate.REFUSED, f"it answered {answer.status}, and purged no keys: its VCL needs what docs say"
            )
        return verdict
