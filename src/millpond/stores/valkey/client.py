"""The client of a shared server: each command has a timeout, and failures are of two kinds."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeAlias

import redis
from redis.asyncio import Redis, RedisCluster, Sentinel
from redis.asyncio.cluster import ClusterNode
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.maint_notifications import MaintNotificationsConfig

from millpond.config.store_url import CLUSTER, SENTINEL

if TYPE_CHECKING:
    from collections.abc import Awaitable, Iterable

    from millpond.config.store_url import StoreAddress

    Part: TypeAlias = str | bytes | int | float
    """Of a command."""
    from millpond.stores.valkey.scripts import Script

_AT_ONCE = 32
"""Commands under way from one process; more wait for their turn, and the wait counts."""

_UNREACHABLE = (
    redis.ConnectionError,
    redis.TimeoutError,
    redis.ReadOnlyError,
    redis.exceptions.ClusterDownError,
    redis.exceptions.TryAgainError,
    redis.exceptions.RedisClusterException,
    OSError,  # TimeoutError is one
)
_REFUSED = (redis.AuthenticationError, redis.exceptions.AuthorizationError, redis.ResponseError)


class Unreachable(Exception):
    """No answer came in time, or the server can't serve at the moment. What was asked for may have been done."""


class CommandRefused(Exception):
    """The server's answer was an error: nothing was done. A password, a permission, or no memory left."""


class ValkeyClient:
    """A client of a server, of the one that sentinels name, or of a cluster; for one event loop.

    Args:
        address: where it is.
        timeout: seconds for each command, connecting and waiting for a turn included.
    """

    def __init__(self, address: StoreAddress, timeout: float) -> None:
        self.address, self.timeout = address, timeout
        self.is_cluster = address.kind == CLUSTER
        self._turns = asyncio.Semaphore(_AT_ONCE)
        self._client, self._sentinels = _client_of(address, timeout)
        # As the server says it: the library's own form of a record loses fields that occur more than once.
        self._client.set_response_callback("XREAD", lambda response, **_: response)

    async def run(self, script: Script, keys: Iterable[str], arguments: Iterable[Part], *, urgent: bool = False) -> Any:
        """Run a script.

        Raises:
            Unreachable, CommandRefused: as they say.
        """
        named = tuple(keys)
        rest = (len(named), *named, *arguments)
        try:
            return await self.command("EVALSHA", script.sha, *rest, urgent=urgent)
        except _UnknownScript:  # it began anew, or was never told
            return await self.command("EVAL", script.text, *rest, urgent=urgent)

    async def command(self, *command: Part, waits: float = 0, urgent: bool = False) -> Any:
        """Send one command, which may wait `waits` seconds in the server; an urgent one waits for no turn.

        Raises:
            Unreachable, CommandRefused: as they say.
        """
        try:
            async with asyncio.timeout(self.timeout + waits):
                if urgent:
                    return await self._client.execute_command(*command)
                async with self._turns:
                    return await self._client.execute_command(*command)
        except redis.exceptions.NoScriptError as error:
            raise _UnknownScript(str(error)) from error
        except _UNREACHABLE as error:
            if isinstance(error, _REFUSED) and not isinstance(error, _UNREACHABLE[2:5]):
                raise CommandRefused(str(error)) from error
            raise Unreachable(_reason(error, self.timeout)) from error
        except redis.RedisError as error:
            raise CommandRefused(str(error)) from error

    async def close(self) -> None:
        """Close the connections."""
        for client in (self._client, *self._sentinels):
            await client.aclose()


class _UnknownScript(CommandRefused):
    """The server doesn't have the script."""


def _reason(error: Exception, timeout: float) -> str:
    if isinstance(error, (TimeoutError, redis.TimeoutError)):
        return f"no answer within {timeout:g} s (cache.store_timeout)"
    return str(error).rstrip(".") or type(error).__name__


def _client_of(address: StoreAddress, timeout: float) -> tuple[Any, list[Any]]:
    """A client, and those of the sentinels that it asks.

    It tries each command once: whoever gave it knows whether another try makes sense.
    """
    options: dict[str, Any] = {
        "username": address.username,
        "password": address.password,
        "protocol": 3,
        "socket_connect_timeout": timeout,
        "socket_timeout": None,  # `command` bounds the whole
        "retry": Retry(NoBackoff(), 0),
        "maint_notifications_config": MaintNotificationsConfig(enabled=False),
    }
    tls = {"ssl": True, **address.options} if address.encrypted else {}
    options |= tls
    if address.kind == CLUSTER:
        nodes = [ClusterNode(host.name, host.port) for host in address.hosts]
        return RedisCluster(startup_nodes=nodes, **options), []
    options["db"] = address.database
    if address.kind == SENTINEL:
        own = {"socket_timeout": timeout, "socket_connect_timeout": timeout, **tls}
        hosts = [(host.name, host.port) for host in address.hosts]
        sentinels: Any = Sentinel(hosts, sentinel_kwargs=own, **options)  # type: ignore[no-untyped-call]
        return sentinels.master_for(address.service), list(sentinels.sentinels)
    (host,) = address.hosts
    return Redis(host=host.name, port=host.port, **options), []


async def gathered(work: Iterable[Awaitable[Any]]) -> list[Any]:
    """The results of all; when one fails, the others are awaited before its error is raised."""
    results = await asyncio.gather(*work, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return results
