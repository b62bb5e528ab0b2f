"""Webhooks, for any other cache: a signed POST that says what was invalidated (standardwebhooks.com)."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import msgspec

from millpond.policy.http.surrogate import purge_keys
from millpond.policy.tags import Named, named, of_host
from millpond.policy.webhooks.standard_webhooks import signature
from millpond.purge.purger import PurgeRequest, PurgeResponse, Verdict, by_status

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class WebhookPurger:
    """One receiver."""

    url: str
    secret: bytes = field(repr=False)
    max_tags: int = 100

    @property
    def name(self) -> str:
        """Without the query, which may hold a secret."""
        parts = urlsplit(self.url)
        return f"webhook {parts.hostname}{parts.path}"

    def request(self, tags: Sequence[str], *, hard: bool, now: float) -> PurgeRequest:
        """A POST of what was invalidated, both as keys and as users name it."""
        joined = [of_host(tag) for tag in tags]
        of_all = [tag for tag, each in zip(tags, joined, strict=True) if each is None]
        hosts: dict[str, list[str]] = {}
        for each in joined:
            if each is not None:
                hosts.setdefault(each[0], []).append(each[1])
        body = msgspec.json.encode(
            {
                "type": "cache.invalidated",
                "data": {
                    "hard": hard,
                    "keys": purge_keys(tags),
                    **_by_kind(of_all),
                    **({"hosts": {host: _by_kind(own) for host, own in hosts.items()}} if hosts else {}),
                },
            }
        )
        identity, time = f"msg_{uuid.uuid4().hex}", str(int(now))
        headers = {
            "content-type": "application/json",
            "webhook-id": identity,
            "webhook-timestamp": time,
            "webhook-signature": signature(self.secret, identity, time, body),
        }
        return PurgeRequest("POST", self.url, headers, body)

    def verdict(self, response: PurgeResponse, now: float) -> Verdict:
        return by_status(response, now)


def _by_kind(tags: Sequence[str]) -> dict[str, list[str]]:
    """The tags as users name them."""
    found: dict[Named, list[str]] = {kind: [] for kind in Named}
    for tag in tags:
        kind, name = named(tag)
        found[kind].append(name.encode("utf-8", "replace").decode("utf-8"))  # JSON takes no lone surrogates
    kinds = {"tags": Named.TAG, "paths": Named.PATH, "routes": Named.ROUTE, "below": Named.BELOW}
    return {name: found[kind] for name, kind in kinds.items()}
