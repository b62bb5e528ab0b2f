"""millpond revalidate"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import time
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import urlsplit, urlunsplit

import httpx2
import msgspec
from cyclopts import Parameter

from millpond.app.events.event_log import counted_by
from millpond.cache.invalidate import InvalidationOrder, expire_after_of
from millpond.cli.facts.stored import cache_of
from millpond.cli.project import project_of
from millpond.cli.terminal.console import errors_as_json, output, print_json, print_warning
from millpond.cli.terminal.options import HERE, Json, Which
from millpond.config import RevalidateEndpointConfig
from millpond.errors import BuildError, CommandError, PurgeError, UsageError
from millpond.messages import counted
from millpond.policy.key import folders_of
from millpond.prerender.build_manifest import read_manifest
from millpond.routes.naming.named_path import PathType  # noqa: TC001 - the command line is made of it
from millpond.routes.naming.route_names import NamedRoute, RouteNames
from millpond.routes.scan import scan
from millpond.stores.factory import chosen_store

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from millpond.cli.project import FoundProject
    from millpond.config import Config
    from millpond.purge.purges import Purges

_TIMEOUT = 10.0
"""Seconds to wait for a server's answer."""

_PURGE_TIMEOUT = 30.0
"""Seconds to wait until the caches in front have acknowledged both sends of a purge."""


def revalidate(
    *,
    tag: Annotated[list[str] | None, Parameter(negative="", help="A tag; may be given more than once.")] = None,
    path: Annotated[
        list[str] | None, Parameter(negative="", help="A path, such as /items/1, or a pattern, such as /items/[id].")
    ] = None,
    type: Annotated[  # noqa: A002 - the option's name
        PathType | None, Parameter(help='For paths: "layout" also invalidates everything below.')
    ] = None,
    profile: Annotated[
        str | None, Parameter(help="For tags: serve older answers as stale for the expire time of this lifetime.")
    ] = None,
    expire: Annotated[
        float | None, Parameter(help="For tags: serve older answers as stale for this many seconds.")
    ] = None,
    url: Annotated[
        str | None, Parameter(help="Invalidate through the server at this URL, not in the store on this machine.")
    ] = None,
    secret_env: Annotated[
        str | None,
        Parameter(help="The environment variable with the server's secret; by default the configured one."),
    ] = None,
    which: Which = HERE,
    json: Json = False,
) -> int:
    """Invalidate tags and paths. Running servers see it at their next request; nothing is rendered before that."""
    with errors_as_json(json):
        order = _order(tag or [], path or [], type, profile, expire)
        project = project_of(which.entrypoint())
        if url is None:
            report = _through_store(project, order)
        else:
            report = _through_server(url, secret_env, project.config, order)
    if json:
        print_json(msgspec.to_builtins(report))
        return 0
    for warning in report.warnings:
        print_warning(warning)
    numbers = ((report.tags, "tag"), (report.paths, "path"))
    done = " and ".join(counted(number, noun) for number, noun in numbers if number)
    output().print(f"{done} invalidated; the generation is {report.generation}", soft_wrap=True)
    return 0


class _Report(msgspec.Struct):
    """What was invalidated, as a server reports it, too."""

    tags: int
    paths: int
    generation: int
    warnings: list[str] = []


def _order(
    tags: list[str], paths: list[str], kind: PathType | None, profile: str | None, expire: float | None
) -> dict[str, Any]:
    """The invalidation as the JSON body that the endpoint accepts.

    Raises:
        UsageError: nothing is named, or the options don't go together.
    """
    good = InvalidationOrder.of(tags, paths, kind).tags
    if not good and not paths:
        raise UsageError("name what to invalidate: --tag TAG or --path PATH.")
    if not good and (profile is not None or expire is not None):
        raise UsageError("--profile and --expire are for tags; a path expires now.")
    if not paths and kind is not None:
        raise UsageError("--type is for paths.")
    order = {"tags": good, "paths": paths, "type": kind, "profile": profile, "expire": expire}
    return {name: value for name, value in order.items() if value is not None}


def _through_store(project: FoundProject, order: dict[str, Any]) -> _Report:
    about = cache_of(project, "millpond revalidate")
    expire_after = expire_after_of(about.config.profiles(), order.get("profile"), order.get("expire"))
    declared = _declared(project) if order["paths"] else []
    names = _names(project, declared or []) if order["paths"] else None
    unless = "" if declared is not None else " (no build tells which endpoints have @static)"
    checked = InvalidationOrder.of(order["tags"], order["paths"], order.get("type"), names)
    purges = _purges(about.config)

    async def invalidate() -> _Report:
        store = chosen_store(about.project, about.config.cache, None, time.time)
        await store.open()
        try:
            with counted_by("cli", about.project, about.config.metrics, store, time.time):
                async with _acknowledged(purges):
                    done = checked.carry_out(store, purges, expire_after=expire_after)
                return _Report(**done, warnings=[warning + unless for warning in checked.warnings])
        finally:
            await store.close()

    return asyncio.run(invalidate())


def _purges(config: Config) -> Purges | None:
    """The purges of the caches in front: no server sends them for an invalidation that is made here."""
    if config.cdn is None or not config.cdn.purge:
        return None
    from millpond.purge.configured import purges_of  # imported late: few projects need it

    return purges_of(config.cdn.purge, config.expire_time, time.time)


@contextlib.asynccontextmanager
async def _acknowledged(purges: Purges | None) -> AsyncIterator[None]:
    """On exit, wait until all caches in front have acknowledged the purges that were queued in the block."""
    if purges is None:
        yield
        return
    purges.begin()
    try:
        yield
        await purges.acknowledged(purges.latest, _PURGE_TIMEOUT)
    except PurgeError as error:
        raise PurgeError(f"invalidated here, but {error}") from None
    finally:
        await purges.drain(0)


def _through_server(url: str, secret_env: str | None, config: Config, order: dict[str, Any]) -> _Report:
    address = _endpoint(url, config)
    headers = {"authorization": f"Bearer {_secret(secret_env, config.revalidate_endpoint)}"}
    try:
        answer = httpx2.post(address, json=order, headers=headers, timeout=_TIMEOUT, follow_redirects=False)
    except httpx2.TimeoutException:
        raise CommandError(
            f"{address} didn't answer within {_TIMEOUT:g} s; it is unknown whether it invalidated anything."
        ) from None
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        raise CommandError(f"{address} can't be reached: {error}. Is the server running?") from None
    if answer.status_code == 200:
        try:
            return msgspec.json.decode(answer.content, type=_Report)
        except msgspec.DecodeError:
            raise CommandError(
                f"{address} answered 200, but not as Millpond does; is that the right address?"
            ) from None
    raise CommandError(f"{address} answered {answer.status_code}: {_meaning(answer)}")


def _endpoint(url: str, config: Config) -> str:
    """The URL of the endpoint, given a server's URL or the endpoint's own."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise UsageError(f'--url is "{url}"; it must look like http://127.0.0.1:8000.')
    if parts.path.strip("/"):
        return url
    endpoint = config.revalidate_endpoint or RevalidateEndpointConfig()
    return urlunsplit((parts.scheme, parts.netloc, config.base_path + endpoint.path, "", ""))


def _secret(given: str | None, endpoint: RevalidateEndpointConfig | None) -> str:
    name = given or (endpoint.secret_env if endpoint is not None else None)
    if name is None:
        if endpoint is not None and endpoint.secret is not None:
            return endpoint.secret.strip()
        raise UsageError(
            "the server needs a secret: name the environment variable that holds it, with --secret-env or as "
            "secret_env in [revalidate_endpoint]."
        )
    secret = os.environ.get(name, "").strip()
    if not secret:
        raise UsageError(f"the environment variable {name} isn't set; it must hold the server's secret.")
    return secret


def _meaning(answer: httpx2.Response) -> str:
    message = _error_in(answer)
    if answer.status_code == 401:
        return "the secret isn't the server's."
    if answer.status_code == 429:
        return f"too many calls with a wrong secret; try again in {answer.headers.get('retry-after', 'a few')} s."
    if answer.status_code in (404, 405):
        return "there is no endpoint; the server's configuration needs [revalidate_endpoint]."
    return f"{message}." if message else "this isn't an answer of Millpond's endpoint; is it the right address?"


def _error_in(answer: httpx2.Response) -> str | None:
    try:
        return msgspec.json.decode(answer.content, type=dict[str, str]).get("error")
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def _names(project: FoundProject, declared: list[str]) -> RouteNames | None:
    """The names of the routes of the project's files, and of endpoints; None if the project has no routes here."""
    if not project.app_dir.is_dir():
        return None
    files = scan(project.app_dir, project.folder)
    return RouteNames(
        lambda: [
            *(NamedRoute((file.pattern,), folders_of(file.file), file.segments) for file in files),
            *(NamedRoute((pattern,), pattern, None, partial(_fits, pattern)) for pattern in declared),
        ],
        project.config.base_path,
    )


def _declared(project: FoundProject) -> list[str] | None:
    """The patterns of endpoints with `@static` in the project's build; None where no build tells."""
    try:
        manifest = read_manifest(project.folder)
    except BuildError:
        manifest = None
    return None if manifest is None else [each.pattern for each in manifest.routes if each.origin != each.file]


def _fits(pattern: str, path: str) -> bool:
    """Whether a decoded path is one of a pattern's, as far as a pattern without convertors can tell."""
    parts = re.split(r"\[(?:\.\.\.)?\w+\]", pattern)
    named = re.findall(r"\[(\.\.\.)?\w+\]", pattern)
    text = "".join(
        re.escape(part) + ("" if index == len(named) else ".*" if named[index] else "[^/]+")
        for index, part in enumerate(parts)
    )
    return re.fullmatch(text, path, re.DOTALL) is not None
