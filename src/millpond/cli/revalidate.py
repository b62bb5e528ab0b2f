"""millpond revalidate"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import msgspec
from cyclopts import Parameter

from millpond.cache.invalidation_order import InvalidationOrder, OrderBody
from millpond.cli.facts.unreached import unreached
from millpond.cli.project import project_of
from millpond.cli.terminal.console import errors_as_json, output, print_json, print_warning
from millpond.cli.terminal.options import HERE, Json, Which
from millpond.client.attempts import tried
from millpond.client.blocking_client import RETRIES, TIMEOUT
from millpond.client.found import endpoint_way
from millpond.client.project_names import project_names
from millpond.client.store_way import StoreWay
from millpond.errors import UsageError
from millpond.messages import counted
from millpond.routes.naming.named_path import PathType  # noqa: TC001 - the command line is made of it

if TYPE_CHECKING:
    from millpond.cli.project import FoundProject
    from millpond.client.reached import Way


def revalidate(
    *,
    tag: Annotated[list[str] | None, Parameter(negative="", help="A tag; may be given more than once.")] = None,
    path: Annotated[
        list[str] | None, Parameter(negative="", help="A path, such as /items/1, or a pattern, such as /items/[id].")
    ] = None,
    type: Annotated[  # noqa: A002 - the option's name
        PathType | None, Parameter(help='For paths: "layout" also invalidates everything below.')
    ] = None,
    host: Annotated[
        str | None, Parameter(help="Only answers for this host, of routes with cache_host, such as a.example.")
    ] = None,
    profile: Annotated[
        str | None, Parameter(help="Serve older answers as stale for the expire time of this lifetime.")
    ] = None,
    expire: Annotated[float | None, Parameter(help="Serve older answers as stale for this many seconds.")] = None,
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
        order = _order(tag or [], path or [], type, profile, expire, host)
        project = project_of(which.entrypoint())
        way, missed = _way(project, url, secret_env), [] if url is not None else _missed(project, order)
        report = tried(lambda seconds: way.carry_out(order, seconds), TIMEOUT, RETRIES)
        report.warnings.extend(missed)
    if json:
        print_json(msgspec.to_builtins(report))
        return 0
    for warning in report.warnings:
        print_warning(warning)
    numbers = ((report.tags, "tag"), (report.paths, "path"))
    done = " and ".join(counted(number, noun) for number, noun in numbers if number)
    output().print(f"{done} invalidated; the generation is {report.generation}", soft_wrap=True)
    return 0


def _order(
    tags: list[str],
    paths: list[str],
    kind: PathType | None,
    profile: str | None,
    expire: float | None,
    host: str | None,
) -> OrderBody:
    """The invalidation.

    Raises:
        UsageError: nothing is named, or the options don't go together.
    """
    good = InvalidationOrder.of(tags, paths, kind, host=host).tags
    if not good and not paths:
        raise UsageError("name what to invalidate: --tag TAG or --path PATH.")
    if not paths and kind is not None:
        raise UsageError("--type is for paths.")
    return OrderBody(tags=good, paths=paths, type=kind, profile=profile, expire=expire, host=host)


def _missed(project: FoundProject, order: OrderBody) -> list[str]:
    """What is told of tags and paths that nothing in the project's store has."""
    names, _ = project_names(project.folder, project.app_dir, project.config) if order.paths else (None, "")
    checked = InvalidationOrder.of(order.tags, order.paths, order.type, names, order.host)
    paths = {path: each.tags for path, each in zip(order.paths, checked.paths, strict=True)}
    return unreached(project.folder, project.config.cache, checked.tags, paths)


def _way(project: FoundProject, url: str | None, secret_env: str | None) -> Way:
    if url is not None:
        return endpoint_way(url, None, secret_env, project.folder, project.config)
    return StoreWay(project.folder, project.app_dir, project.config, creates=True, origin="cli")
