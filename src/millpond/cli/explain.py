"""millpond explain"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import CycloptsError, Parameter

from millpond.app.entrypoint.import_string import names_an_application
from millpond.app.hints.project_hints import hints
from millpond.cli.facts.explanation import explain_path
from millpond.cli.project import build_of, open_project, prints_on_stderr, run_project
from millpond.cli.terminal.console import errors_as_json, print_json, print_labelled
from millpond.cli.terminal.options import HERE, Json, Which
from millpond.policy.decision import Reason
from millpond.prerender.build_table import duration_cell

if TYPE_CHECKING:
    from collections.abc import Iterator

    from millpond.cli.facts.explanation import Explanation


NOT_FOUND = 404


def explain(
    *path: Annotated[
        str,
        Parameter(help="A path, such as /products/oak-chair, or a URL; before it, the application may be named."),
    ],
    host: Annotated[
        str | None, Parameter(help="The host of the request, such as a.example, for routes with cache_host.")
    ] = None,
    header: Annotated[
        list[str] | None,
        Parameter(
            name=("--header", "-H"),
            negative="",
            help='A header of the request, such as "accept-language: de"; may be given more than once.',
        ),
    ] = None,
    which: Which = HERE,
    json: Json = False,
) -> int:
    """Explain what a GET of a path returns, and why: the matching route, and what the cache would answer."""
    named, asked = _told(path)
    headers = _headers(host, header or [])
    with errors_as_json(json):
        app = open_project(which.entrypoint(named))
        manifest, notes = build_of(app)
        with prints_on_stderr():
            explanation = run_project(app, explain_path(app, manifest, asked, time.time(), headers))
    explanation.notes += notes
    if explanation.status == NOT_FOUND:
        explanation.notes += hints(app)
    if json:
        print_json(explanation)
        return 0
    print_labelled(_lines(explanation), 8)
    return 0


def _told(words: tuple[str, ...]) -> tuple[str | None, str]:
    """The application, if it is named, and the path.

    Raises:
        CycloptsError: it is neither PATH nor MODULE:APP PATH.
    """
    *before, path = words or ("",)
    if not path or (names_an_application(path) and not before):
        raise CycloptsError(f"give a path: millpond explain {' '.join((*words, '/'))}")
    if len(before) > 1 or (before and names_an_application(path)):
        raise CycloptsError("give one path, and before it at most the application: millpond explain main:app /")
    return (before[0] if before else None), path


def _headers(host: str | None, lines: list[str]) -> tuple[tuple[bytes, bytes], ...]:
    """The headers of a request, with names in lower case.

    Raises:
        CycloptsError: one isn't written as NAME: VALUE, or can't be sent.
    """
    headers = [] if host is None else [("host", host)]
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon or not name.strip():
            raise CycloptsError(f'-H takes NAME: VALUE, such as "accept-language: de", not "{line}"')
        headers.append((name.strip().lower(), value.strip()))
    try:
        return tuple((name.encode("ascii"), value.encode("latin-1")) for name, value in headers)
    except UnicodeEncodeError:
        raise CycloptsError("a header has characters that can't be sent; encode them") from None


def _lines(explanation: Explanation) -> Iterator[tuple[str, str]]:
    """The explanation as lines, each a label and a text."""
    yield "path", explanation.path
    if explanation.status is not None:
        yield "status", str(explanation.status)
    for declined in explanation.declined:
        yield "declined", declined
    if explanation.route is not None:
        yield "route", f"{explanation.route}  ({explanation.file})" if explanation.file else explanation.route
    for name, value in explanation.params.items():
        yield "param", f"{name} = {value!r}"
    if explanation.variant is not None:
        yield "variant", explanation.variant
    if explanation.methods:
        yield "methods", ", ".join(explanation.methods)
    yield "GET", explanation.rule if explanation.mode is None else f"{explanation.mode}, {explanation.rule}"
    if explanation.why is not None:
        yield "why", f"{explanation.why} · {explanation.place}" if explanation.place else explanation.why
    for label, listed in (("froze", explanation.frozen), ("reads", explanation.refreshed)):
        for found in listed:
            yield label, found
    for remedy in explanation.remedies:
        yield "to read", remedy
    if explanation.cache is not None:
        yield from _cache_lines(explanation.cache)
    if explanation.nearest:
        yield "nearest", ", ".join(explanation.nearest)
    for note in explanation.notes:
        yield "note", note


def _cache_lines(cache: dict[str, Any]) -> Iterator[tuple[str, str]]:
    tag = f" {cache['tag']}" if cache.get("tag") else ""
    left = f", where build {cache['build']} has left it" if cache["reason"] == Reason.FORMER_BUILD else ""
    yield "cache", f"{cache['answer']} ({cache['reason']}{tag}), by {cache['by']}{left}"
    yield "key", cache["key"].replace("\0", " ")
    if not cache["stored"]:
        return
    ttl = cache["ttl"]
    left = "never stale" if ttl is None else f"fresh for {ttl} s more" if ttl >= 0 else f"stale for {-ttl} s"
    yield "entry", f"status {cache['status']}, {cache['age']} s old, {left}"
    revalidate, expire = (duration_cell(cache[name] or None) or "never" for name in ("revalidate", "expire"))
    sooner = "" if cache["stale_after"] == (cache["revalidate"] or None) else f" (stale after {cache['stale_after']} s)"
    stale = cache["client_stale"]
    for_clients = "" if stale is None else f", for clients {duration_cell(stale) or '0s'}"
    yield "lifetime", f"revalidate {revalidate}{sooner}, expire {expire}{for_clients}"
    if cache["tags"]:
        yield "tags", ", ".join(cache["tags"])
