"""What a client has asked, as it is logged: bounded, and without characters that could forge a line."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from millpond.telemetry.invalidated import REQUEST_ID

if TYPE_CHECKING:
    from collections.abc import Iterable

    from starlette.types import Scope

LONGEST_PATH = 2048
LONGEST_AGENT = 256
"""Characters of a path, and of a User-Agent; the rest is cut off, and marked by an ellipsis."""


class Asked(NamedTuple):
    """One request, as it came."""

    method: str
    path: str
    """Decoded. Characters that can't be printed are escaped."""
    client: str | None
    """The address of the client, as far as proxies are trusted; None where there is none, as with a Unix socket."""
    agent: str | None
    """The value of User-Agent."""
    request_id: str | None
    """The value of X-Request-ID, if it is one."""

    @classmethod
    def of(cls, scope: Scope) -> Asked:
        """The request of an HTTP or WebSocket scope that has just arrived."""
        client = scope.get("client")
        agent, request_id = identified(scope["headers"])
        method: str = scope.get("method", "GET")  # a WebSocket's handshake is one
        return cls(method, shown(scope["path"], LONGEST_PATH), client[0] if client else None, agent, request_id)


def identified(headers: Iterable[tuple[bytes, bytes]]) -> tuple[str | None, str | None]:
    """User-Agent and X-Request-ID of a request; of several lines the first counts. Names are lower case."""
    agent = request_id = None
    for name, value in headers:
        if name == b"user-agent" and agent is None:
            agent = shown(value[: LONGEST_AGENT + 1].decode("latin-1"), LONGEST_AGENT)
        elif name == b"x-request-id" and request_id is None and REQUEST_ID.fullmatch(value):
            request_id = value.decode("ascii")
    return agent, request_id


def shown(text: str, longest: int) -> str:
    """What a client has sent, in a form that can stand in a log."""
    if len(text) > longest:
        text = f"{text[:longest]}…"
    return text if text.isprintable() else _escaped(text)


def quoted(text: str) -> str:
    """A text in quotes, which it can't leave."""
    if '"' in text or "\\" in text:
        text = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'


def _escaped(text: str) -> str:
    return "".join(
        each if each.isprintable() else each.encode("unicode_escape", "surrogatepass").decode("ascii") for each in text
    )
