"""Caches' interfaces on 127.0.0.1 that check what the real ones demand, and fail as a test says."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

TOKEN = "token-0123456789"
SECRET = b"0123456789abcdef0123456789abcdef"
WEBHOOK_SECRET = "whsec_" + base64.b64encode(SECRET).decode()

_MOST_FASTLY_KEYS, _MOST_CLOUDFLARE_TAGS, _MOST_HEADER, _MOST_TAG = 256, 100, 16 * 1024, 1024


@dataclass(frozen=True)
class Asked:
    method: str
    target: str
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True)
class Purged:
    """One purge that was in order."""

    keys: tuple[str, ...]
    soft: bool = False
    data: dict[str, Any] = field(default_factory=dict)


@dataclass
class Cdn:
    """Answers as Fastly, Cloudflare, Varnish and a receiver of webhooks do, by the path that is asked."""

    url: str = ""
    purged: list[Purged] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    """What was wrong with requests."""
    asked: list[Asked] = field(default_factory=list)
    fails: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    """Statuses and headers of the next answers, in place of the right ones."""
    body: bytes | None = None
    """In place of the right one."""
    hangs: bool = False
    """Let requests wait for an answer that doesn't come."""
    ends: bool = False
    """Close the connection in place of an answer."""
    when_asked: Callable[[], Awaitable[None]] | None = None
    """Done before a purge is answered."""
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    over: asyncio.Event = field(default_factory=asyncio.Event)

    async def requests(self, number: int) -> None:
        """Wait until so many have arrived."""
        while len(self.asked) < number:
            self.arrived.clear()
            await asyncio.wait_for(self.arrived.wait(), 10)

    @property
    def keys(self) -> list[str]:
        """The keys of all purges, but the one that every purge names."""
        return [key for purge in self.purged for key in purge.keys if key != "mp-many"]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                asked = await _request(reader)
                self.asked.append(asked)
                self.arrived.set()
                if self.when_asked is not None:
                    await self.when_asked()
                if self.hangs:
                    await self.over.wait()
                if self.hangs or self.ends:
                    return
                writer.write(self._answer(asked))
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            return
        finally:
            writer.close()

    def _answer(self, asked: Asked) -> bytes:
        if self.fails:
            status, headers = self.fails.pop(0)
            return _bytes(status, headers, b'{"success": false, "errors": []}')
        try:
            status, headers, reply = self._purge(asked)
        except AssertionError as problem:
            self.refused.append(str(problem))
            status, headers, reply = 400, {}, {"success": False, "errors": [{"code": 1, "message": "bad"}]}
        return _bytes(status, headers, self.body if self.body is not None else json.dumps(reply).encode())

    def _purge(self, asked: Asked) -> tuple[int, dict[str, str], dict[str, Any]]:
        if asked.target.startswith("/service/"):
            return self._fastly(asked)
        if asked.target.startswith("/client/v4/zones/"):
            return self._cloudflare(asked)
        if asked.method in ("PURGE", "BAN"):
            return self._varnish(asked)
        return self._webhook(asked)

    def _fastly(self, asked: Asked) -> tuple[int, dict[str, str], dict[str, Any]]:
        assert (asked.method, asked.target) == ("POST", "/service/SU1Z0isxPaozGVKXdv0eY/purge")
        if asked.headers.get("fastly-key") != TOKEN:
            return 401, {}, {"msg": "Provided credentials are missing or invalid"}
        value = asked.headers["surrogate-key"]
        keys = value.split(" ")
        assert len(keys) <= _MOST_FASTLY_KEYS, "too many keys"
        assert len(value) <= _MOST_HEADER, "too long"
        assert all(0 < len(key) <= _MOST_TAG for key in keys), "bad key"
        assert asked.headers.get("fastly-soft-purge", "1") == "1"
        self.purged.append(Purged(tuple(keys), "fastly-soft-purge" in asked.headers))
        return 200, {}, {key: f"1-{number}" for number, key in enumerate(keys)}

    def _cloudflare(self, asked: Asked) -> tuple[int, dict[str, str], dict[str, Any]]:
        assert (asked.method, asked.target) == ("POST", "/client/v4/zones/023e105f4ecef8ad9ca31a8372d0c353/purge_cache")
        if asked.headers.get("authorization") != f"Bearer {TOKEN}":
            errors = [{"code": 10000, "message": "Authentication error"}]
            return 403, {}, {"success": False, "errors": errors, "messages": [], "result": None}
        assert asked.headers["content-type"] == "application/json"
        body = json.loads(asked.body)
        assert set(body) == {"tags"}
        tags = body["tags"]
        assert 0 < len(tags) <= _MOST_CLOUDFLARE_TAGS, "too many tags"
        assert all(0 < len(tag) <= _MOST_TAG and tag.isascii() and " " not in tag for tag in tags), "bad tag"
        self.purged.append(Purged(tuple(tags)))
        return 200, {}, {"success": True, "errors": [], "messages": [], "result": {"id": "1"}}

    def _varnish(self, asked: Asked) -> tuple[int, dict[str, str], dict[str, Any]]:
        if asked.headers.get("authorization") not in (None, f"Bearer {TOKEN}"):
            return 403, {}, {}
        hard, soft, ban = (asked.headers.get(name) for name in ("xkey-purge", "xkey-softpurge", "xkey-ban"))
        assert [hard, soft, ban].count(None) == 2
        assert (asked.method == "BAN") is (ban is not None)
        keys = (hard or soft or "").split(" ") if ban is None else ban.replace("\\.", ".").split("|")
        self.purged.append(Purged(tuple(keys), soft is not None))
        return 200, {"xkey-purged": "3"}, {}

    def _webhook(self, asked: Asked) -> tuple[int, dict[str, str], dict[str, Any]]:
        assert asked.method == "POST"
        identity, time = asked.headers["webhook-id"], asked.headers["webhook-timestamp"]
        signed = f"{identity}.{time}.".encode() + asked.body
        expected = "v1," + base64.b64encode(hmac.new(SECRET, signed, hashlib.sha256).digest()).decode()
        if asked.headers["webhook-signature"] != expected:
            return 401, {}, {}
        body = json.loads(asked.body)
        assert body["type"] == "cache.invalidated"
        data = body["data"]
        self.purged.append(Purged(tuple(data["keys"]), not data["hard"], {**data, "id": identity, "time": time}))
        return 204, {}, {}


def _bytes(status: int, headers: dict[str, str], body: bytes) -> bytes:
    body = b"" if status == 204 else body
    length = {} if status == 204 else {"content-length": str(len(body))}
    lines = [f"HTTP/1.1 {status} Whatever", *(f"{name}: {value}" for name, value in (headers | length).items())]
    return "\r\n".join([*lines, "", ""]).encode() + body


async def _request(reader: asyncio.StreamReader) -> Asked:
    first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    method, target, _ = first.split(" ")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines if line)}
    return Asked(method, target, headers, await reader.readexactly(int(headers.get("content-length", "0"))))


@asynccontextmanager
async def cdn() -> AsyncIterator[Cdn]:
    """One for the time of a test."""
    served = Cdn()
    server = await asyncio.start_server(served.serve, "127.0.0.1", 0)
    served.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield served
    finally:
        served.over.set()
        server.close()
