"""The URL of a shared store: which servers, and how to connect to them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import parse_qsl, unquote, urlsplit

from millpond.messages import one_of

if TYPE_CHECKING:
    from collections.abc import Mapping

PORT, SENTINEL_PORT = 6379, 26379

SERVER, SENTINEL, CLUSTER = "server", "sentinel", "cluster"
_ENGINES = {"valkey": False, "valkeys": True, "redis": False, "rediss": True}
"""Scheme -> whether the connection is encrypted."""
_OPTIONS = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile")

EXAMPLES = (
    "valkey://host:6379/0",
    "valkeys://host:6379/0",
    "valkey+sentinel://host:26379,host:26379/mymaster/0",
    "valkey+cluster://host:6379,host:6379",
)


class InvalidStoreUrl(ValueError):
    """A URL that can't be used; the message says why and never contains a password."""


class Host(NamedTuple):
    name: str
    port: int

    def __str__(self) -> str:
        return f"[{self.name}]:{self.port}" if ":" in self.name else f"{self.name}:{self.port}"


@dataclass(frozen=True, slots=True)
class StoreAddress:
    """Where a shared store is. Its `str` and `repr` contain no password."""

    kind: str
    """SERVER, SENTINEL or CLUSTER."""
    hosts: tuple[Host, ...]
    """The server, the sentinels, or some nodes of the cluster."""
    database: int = 0
    service: str = ""
    """The sentinels' name for the server."""
    encrypted: bool = False
    username: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)
    options: Mapping[str, str] = field(default_factory=dict)
    """Paths of certificates and keys: ssl_ca_certs, ssl_certfile, ssl_keyfile."""

    def __str__(self) -> str:
        scheme = ("valkeys" if self.encrypted else "valkey") + ("" if self.kind == SERVER else f"+{self.kind}")
        path = "" if self.kind == CLUSTER else f"/{self.database}"
        service = f"/{self.service}" if self.service else ""
        return f"{scheme}://{','.join(map(str, self.hosts))}{service}{path}"


def is_store_url(text: str) -> bool:
    """Whether `text` is meant as a URL, valid or not."""
    return "://" in text


def parse_store_url(url: str) -> StoreAddress:
    """Parse a URL such as those in `EXAMPLES`; `redis` is the same as `valkey`, and user:password@ may come first.

    Raises:
        InvalidStoreUrl: it can't be parsed.
    """
    try:
        parts = urlsplit(url)
    except ValueError:
        raise InvalidStoreUrl("it isn't a URL") from None
    engine, _, kind = parts.scheme.partition("+")
    kind = kind or SERVER
    if engine not in _ENGINES or kind not in (SERVER, SENTINEL, CLUSTER) or parts.scheme.endswith(f"+{SERVER}"):
        schemes = one_of([*_ENGINES, f"valkey+{SENTINEL}", f"valkey+{CLUSTER}"])
        raise InvalidStoreUrl(f'its scheme is "{parts.scheme}"; it must be {schemes}')
    userinfo, _, netloc = parts.netloc.rpartition("@")
    username, _, password = userinfo.partition(":")
    service, database = _path(kind, parts.path)
    return StoreAddress(
        kind=kind,
        hosts=_hosts(kind, netloc),
        database=database,
        service=service,
        encrypted=_ENGINES[engine],
        username=unquote(username) or None,
        password=unquote(password) or None,
        options=_options(parts.query, encrypted=_ENGINES[engine]),
    )


def _hosts(kind: str, netloc: str) -> tuple[Host, ...]:
    hosts = tuple(_host(one, SENTINEL_PORT if kind == SENTINEL else PORT) for one in netloc.split(","))
    if kind == SERVER and len(hosts) > 1:
        raise InvalidStoreUrl(
            f"it names {len(hosts)} hosts: a scheme ending in +{SENTINEL} or +{CLUSTER} takes more than one"
        )
    return hosts


def _host(text: str, port: int) -> Host:
    try:
        parts = urlsplit(f"//{text}")
        name, given = parts.hostname, parts.port
    except ValueError:
        raise InvalidStoreUrl("a port in it isn't a number up to 65535, or a bracket is missing") from None
    if not name:
        raise InvalidStoreUrl("it names no host")
    return Host(name, given or port)


def _path(kind: str, path: str) -> tuple[str, int]:
    """The name of the service and the number of the database."""
    parts = [unquote(part) for part in path.split("/") if part]
    service = ""
    if kind == SENTINEL:
        if not parts:
            raise InvalidStoreUrl("it lacks the sentinels' name for the server, as in /mymaster/0")
        service = parts.pop(0)
    if len(parts) > 1 or (parts and not (parts[0].isascii() and parts[0].isdigit())):
        raise InvalidStoreUrl("its path must be the number of a database, such as /0")
    database = int(parts[0]) if parts else 0
    if kind == CLUSTER and database:
        raise InvalidStoreUrl("a cluster has one database, 0")
    return service, database


def _options(query: str, *, encrypted: bool) -> dict[str, str]:
    options = dict(parse_qsl(query, keep_blank_values=True))
    for name in options:
        if name not in _OPTIONS:
            raise InvalidStoreUrl(f'there is no option "{name}"; it may have {one_of(_OPTIONS)}')
        if not encrypted:
            raise InvalidStoreUrl(f'the option "{name}" belongs to an encrypted connection: valkeys:// or rediss://')
    return options
