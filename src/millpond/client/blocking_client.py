"""A client for code that blocks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from millpond.cache.invalidation_order import InvalidationOrder, OrderBody, expire_after_of, named_host
from millpond.client.attempts import tried
from millpond.client.found import found_way
from millpond.client.store_way import PURGE_SECONDS
from millpond.errors import UsageError
from millpond.routes.naming.built_path import NoSuchPath, built_segments, has_parameter
from millpond.routes.naming.named_path import FUNCTION
from millpond.routes.path import canonical

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence

    from millpond.cache.invalidation_order import Expiry
    from millpond.client.reached import Reached, Way
    from millpond.routes.naming.named_path import PathType

TIMEOUT, RETRIES = 10.0, 2
"""Seconds for a call with all its retries; and how many there are."""


class Client:
    """Invalidates from outside of the server, without loading the application: in workers, scripts, other services.

    Where the cache is, the first of these says that is given: `url`; `project`; the environment variable
    `MILLPOND_URL`; `MILLPOND_PROJECT`; the working directory, or the nearest folder above it that has a
    `millpond.toml`, `[tool.millpond]` in its `pyproject.toml`, or a `.millpond`. A URL is that of a server with
    `[revalidate_endpoint]`. A project's `[cache] store` says whether it is a file or a shared server.

    It holds nothing open between two calls. So threads may share it, and processes that were forked after it was made.

    Args:
        project: the project's folder.
        url: the server's, or that of its endpoint.
        secret: the endpoint's; None: that of `MILLPOND_SECRET`, or the one that the project's configuration names.
        timeout: seconds for a call, retries included. Caches in front have `purge_timeout` besides.
        retries: how often a call is repeated that could not reach the server or the store.
        purge_timeout: seconds to wait until the caches of `[[cdn.purge]]` have acknowledged. With a URL it is the
            server that tells them, and nobody waits.
    """

    def __init__(
        self,
        project: str | os.PathLike[str] | None = None,
        *,
        url: str | None = None,
        secret: str | None = None,
        timeout: float = TIMEOUT,
        retries: int = RETRIES,
        purge_timeout: float = PURGE_SECONDS,
    ) -> None:
        if not timeout > 0 or not purge_timeout > 0 or retries < 0:
            raise UsageError("Client(): timeout and purge_timeout must be more than 0, and retries 0 or more.")
        self._project, self._url, self._secret = project, url, secret
        self._timeout, self._retries, self._purge_timeout = timeout, retries, purge_timeout
        self._way: Way | None = None

    def revalidate_tag(
        self, tag: str, profile: str | Expiry | None = None, *, expire: float | None = None, host: str | None = None
    ) -> Reached:
        """Invalidate every answer and all data with `tag`; see `millpond.revalidate_tag`.

        Args:
            tag: the tag.
            profile: how long older answers may still be served as stale: the name of a lifetime, or
                `{"expire": seconds}`. None: not at all.
            expire: the same in seconds.
            host: whose answers are meant, of routes with `cache_host`; None: those of all.

        Raises:
            UnreachedError: no cache was reached, or it isn't known whether one was.
            UsageError: the tag or the profile is none.
            ConfigError: the configuration is wrong, or a secret isn't set.
            PurgeError: it took place, and a cache in front doesn't know.
        """
        return self.revalidate(tags=[tag], profile=profile, expire=expire, host=host)

    def update_tag(self, tag: str, *, host: str | None = None) -> Reached:
        """Invalidate every answer and all data with `tag`: the next reader waits for fresh data. It raises the same."""
        return self.revalidate(tags=[tag], host=host)

    def revalidate_path(self, path: str, /, type: PathType | None = None, **params: object) -> Reached:  # noqa: A002 - the original's name
        """Invalidate the answers of a path or of a pattern; see `millpond.revalidate_path`. It raises the same.

        Args:
            path: a path such as "/products/7", or a pattern such as "/products/[id]".
            type: "layout" also means everything below.
            params: the values of the pattern's parameters, all of them or none; and `host`, as in `revalidate_tag`,
                where the pattern has no parameter of that name.
        """
        host = params.pop("host", None) if "host" in params and not has_parameter(path, "host") else None
        if params:
            try:
                path = canonical(built_segments(FUNCTION, path, params))
            except NoSuchPath as error:
                raise UsageError(f"{FUNCTION}: {error}.") from None
        return self.revalidate(paths=[path], type=type, host=named_host(FUNCTION, host))

    def revalidate(
        self,
        *,
        tags: Sequence[str] = (),
        paths: Sequence[str] = (),
        type: PathType | None = None,  # noqa: A002 - as above
        profile: str | Expiry | None = None,
        expire: float | None = None,
        host: str | None = None,
    ) -> Reached:
        """Invalidate up to 128 tags and 128 paths in one call. It raises the same.

        It is one transaction, or two if there are paths, which expire, and tags that don't.

        Args:
            tags: the tags.
            paths: paths and patterns.
            type: for the paths.
            profile: as in `revalidate_tag`; for the paths, too.
            expire: the same in seconds.
            host: whose answers are meant; None: those of all.
        """
        named = [paths] if isinstance(paths, str) else list(paths)
        good = InvalidationOrder.of(tags, named, type, host=host).tags
        if not good and not named:
            raise UsageError("name what to invalidate: tags or paths.")
        if not isinstance(profile, str):
            expire_after_of({}, profile, expire)
        elif expire is not None:
            raise UsageError("revalidate_tag(): give a profile or expire, not both.")
        given = {"tags": good, "paths": named, "type": type, "profile": profile, "expire": expire, "host": host}
        try:
            order = msgspec.convert(given, OrderBody)
        except msgspec.ValidationError as error:
            raise UsageError(f"revalidate(): {error}.") from None
        return tried(lambda seconds: self._found().carry_out(order, seconds), self._timeout, self._retries)

    def _found(self) -> Way:
        if self._way is None:
            self._way = found_way(self._project, self._url, self._secret, purge_seconds=self._purge_timeout)
        return self._way
