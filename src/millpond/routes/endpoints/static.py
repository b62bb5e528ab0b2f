"""`@static`: gives an endpoint of FastAPI's the caching model of route files."""

from __future__ import annotations

import functools
import inspect
import os
import sys
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import CodeType
from typing import TYPE_CHECKING, Any, Literal, Never, TypeVar, overload

from fastapi.routing import APIRoute

from millpond.errors import Place, UsageError
from millpond.messages import closest
from millpond.policy.segment import SegmentConfig, invalid_options, parse_segment_config
from millpond.policy.tags import checked_tags

if TYPE_CHECKING:
    from types import FrameType

    from starlette.routing import BaseRoute

_MARK = "__millpond_static__"
"""The attribute of a function that holds its mark. `functools.wraps` takes it along."""

ParamsList = Sequence[Mapping[str, Any]]
F = TypeVar("F", bound=Callable[..., Any])

_OPTIONS = (
    "revalidate",
    "dynamic",
    "dynamic_params",
    "cache_query",
    "cache_host",
    "hosts",
    "cache_vary",
    "fetch_cache",
    "frozen_ok",
    "advise_ok",
    "compression_dictionary",
)
"""Those of the segment config."""
_ALL = (*_OPTIONS, "tags", "params")


@dataclass(frozen=True, slots=True)
class StaticMark:
    """What `@static` says about an endpoint."""

    config: SegmentConfig
    tags: tuple[str, ...]
    params: ParamsList | Callable[[], Any] | None
    written: str
    """As it stands in the code: "@static(revalidate=60)"."""
    file: str
    """Absolute."""
    line: int
    said: frozenset[str] = frozenset()
    """The names of the segment config that it gives."""

    def says(self, name: str) -> bool:
        """Whether it gives an option of the segment config."""
        return name in self.said


@overload
def static(function: F, /) -> F: ...


@overload
def static(
    *,
    revalidate: int | Literal[False] | None = None,
    tags: Iterable[str] = (),
    params: ParamsList | Callable[[], ParamsList | Awaitable[ParamsList]] | None = None,
    cache_query: Sequence[str] = (),
    cache_host: bool | None = None,
    hosts: Sequence[str] = (),
    cache_vary: Mapping[str, Sequence[str]] | None = None,
    dynamic: Literal["auto", "force-static", "error", "force-dynamic"] | None = None,
    dynamic_params: bool | None = None,
    fetch_cache: str | None = None,
    frozen_ok: Sequence[str] = (),
    advise_ok: Sequence[str] = (),
    compression_dictionary: bool | str | None = None,
) -> Callable[[F], F]: ...


def static(
    function: Callable[..., Any] | None = None,
    /,
    *,
    revalidate: int | Literal[False] | None = None,
    tags: Iterable[str] = (),
    params: ParamsList | Callable[[], ParamsList | Awaitable[ParamsList]] | None = None,
    cache_query: Sequence[str] = (),
    cache_host: bool | None = None,
    hosts: Sequence[str] = (),
    cache_vary: Mapping[str, Sequence[str]] | None = None,
    dynamic: str | None = None,
    dynamic_params: bool | None = None,
    fetch_cache: str | None = None,
    frozen_ok: Sequence[str] = (),
    advise_ok: Sequence[str] = (),
    compression_dictionary: bool | str | None = None,
    **unknown: Never,
) -> Any:
    """Make the GET of a FastAPI endpoint static, or fresh: it is rendered once for everybody, not for each request.

    Write it under `@app.get(...)` or a router's `@router.get(...)`; above works, too. It returns the function itself.
    FastAPI matches requests as ever. Hits run neither the endpoint nor its dependencies: an endpoint or a dependency
    that reads the request makes the route live. In a plain FastAPI application it does nothing.

    With several methods, as in `api_route(methods=["GET", "POST"])`, it concerns GET alone.

    Args:
        function: the endpoint, if the decorator is used without parentheses.
        revalidate: seconds after which an answer is stale, and rendered again in the background; False or None: never;
            0: the route is live (R2.18).
        tags: names for `revalidate_tag`, of every answer.
        params: the parameters of the paths to render at build: a list of dicts, with values as the path's convertors
            take them, or a function, sync or async, that returns one. Others are rendered at their first request.
        cache_query: the query parameters that are part of the key; no others can be read.
        cache_host: True: the request's host is part of the key, and can be read as `request.url.hostname`.
        hosts: the hosts that there are, with `cache_host`; others are 421.
        cache_vary: finite values of a language, cookies and headers that are part of the key, and can be read, such as
            `{"accept-language": ["en", "de"]}`; others count as the first.
        dynamic: as in a route file (R2.16): "force-static" gives the endpoint an empty request, "error" refuses reads
            of the request at build, "force-dynamic" makes the route live.
        dynamic_params: False: paths that `params` doesn't list are 404 (R2.19).
        fetch_cache: the default of `fetch` in the endpoint, as in a route file (R5.6).
        frozen_ok: inputs that the answers are meant to keep as they were at build, as in a route file.
        advise_ok: kinds of advice that `millpond advise` leaves out, as in a route file.
        compression_dictionary: clients keep an answer to have later ones compressed by it (RFC 9842): True, those of
            the same path; a pattern such as "/items/*", those of all paths that match it.

    Raises:
        UsageError: an option is unknown or invalid, or two contradict each other; the message has file and line.
    """
    frame = sys._getframe(1)  # noqa: SLF001 - the documented way to a caller's frame
    given = {
        "revalidate": revalidate,
        "tags": tags,
        "params": params,
        "cache_query": cache_query,
        "cache_host": cache_host,
        "hosts": hosts,
        "cache_vary": cache_vary,
        "dynamic": dynamic,
        "dynamic_params": dynamic_params,
        "fetch_cache": fetch_cache,
        "frozen_ok": frozen_ok,
        "advise_ok": advise_ok,
        "compression_dictionary": compression_dictionary,
        **unknown,
    }
    mark = _mark(given, frame)
    if function is not None:
        return _marked(function, mark)
    return lambda inner: _marked(inner, mark)


def _without_unknown(signature: inspect.Signature) -> inspect.Signature:
    return signature.replace(parameters=[each for each in signature.parameters.values() if each.name != "unknown"])


vars(static)["__signature__"] = _without_unknown(inspect.signature(static))  # for `help` and editors

_is_used = False


def is_used() -> bool:
    """Whether anything in this process was marked: if not, no router has to be searched."""
    return _is_used


def mark_of(endpoint: object) -> StaticMark | None:
    """The mark of an endpoint, or of the function that decorators have wrapped in it."""
    while endpoint is not None:
        mark = getattr(endpoint, _MARK, None)
        if isinstance(mark, StaticMark):
            return mark
        endpoint = getattr(endpoint, "__wrapped__", None) or _of_partial(endpoint)
    return None


def is_marked(route: BaseRoute) -> bool:
    """Whether a route's endpoint has `@static`."""
    return mark_of(getattr(route, "endpoint", None)) is not None


def is_static(route: BaseRoute) -> bool:
    """Whether it is a GET with `@static`."""
    return isinstance(route, APIRoute) and "GET" in (route.methods or ()) and is_marked(route)


def code_of(endpoint: object) -> CodeType | None:
    """The code of the function that an endpoint is, or wraps; None if there is none that can be found."""
    while (inner := _of_partial(endpoint)) is not None:
        endpoint = inner
    if inspect.isclass(endpoint):  # a dependency that FastAPI makes an object of
        endpoint = endpoint.__init__
    if callable(endpoint):
        endpoint = inspect.unwrap(endpoint)
    code = getattr(endpoint, "__code__", None) or getattr(type(endpoint).__call__, "__code__", None)
    return code if isinstance(code, CodeType) else None


def _of_partial(endpoint: object) -> object | None:
    """What a partial calls. Other objects, such as mocks, may have a `func` without end."""
    return endpoint.func if isinstance(endpoint, functools.partial) else None


def _marked(function: Callable[..., Any], mark: StaticMark) -> Callable[..., Any]:
    global _is_used
    given: object = function
    if not callable(given) or inspect.isclass(given):
        what = "a class" if inspect.isclass(given) else f"a value of type {type(given).__name__}"
        raise UsageError(f"{_shown(mark)}: @static is for a function, and this is {what}; put it under @app.get(...).")
    former = mark_of(function)
    if former == mark:  # a factory of applications has run again
        return function
    if former is not None:
        raise UsageError(
            f"{_shown(mark)}: {_name(function)} has {former.written} already ({_shown(former)}); leave one of them "
            "out, or wrap the function in one of its own for other options."
        )
    setattr(getattr(function, "__func__", function), _MARK, mark)  # a method's attributes are its function's
    _is_used = True
    return function


def _mark(given: Mapping[str, Any], frame: FrameType) -> StaticMark:
    place = Place(_relative(frame.f_code.co_filename), frame.f_lineno)
    for name in given:
        if name not in _ALL:
            meant = closest(name, _ALL)
            raise UsageError(f"{place}: @static has no option {name!r}{f'; did you mean {meant}?' if meant else '.'}")
    said = {name: given[name] for name in _OPTIONS if given[name] is not None and given[name] != ()}
    wrong = invalid_options({"cache_host": True, **said})  # here `hosts` is no variable of another meaning
    if wrong:
        raise UsageError(f"{place}: @static: {wrong[0]}.")
    config = parse_segment_config(said)
    tags = _tags(given["tags"], place)
    params = _params(given["params"], place)
    problem = _contradiction(config, tags, params)
    if problem is not None:
        raise UsageError(f"{place}: @static: {problem}.")
    shown = [f"{name}={value!r}" for name, value in said.items()]
    shown += [f"tags={list(tags)!r}"] if tags else []
    shown += ["params=…"] if params is not None else []
    written, code = f"@static({', '.join(shown)})", frame.f_code
    return StaticMark(config, tags, params, written, code.co_filename, frame.f_lineno, frozenset(said))


def _tags(given: object, place: Place) -> tuple[str, ...]:
    if not isinstance(given, Iterable):
        raise UsageError(f"{place}: @static: tags takes a list of names, and got {given!r}.")
    good, problems = checked_tags(given)
    if problems:
        raise UsageError(f"{place}: @static: {'; '.join(problems)}.")
    return tuple(good)


def _params(given: Any, place: Place) -> ParamsList | Callable[[], Any] | None:
    if given is None or callable(given):
        return given  # type: ignore[no-any-return]  # one of these two
    if isinstance(given, list | tuple):
        return list(given)
    raise UsageError(
        f"{place}: @static: params takes a list of dicts, one for each path, or a function that returns one; "
        f"got {given!r}."
    )


def _contradiction(config: SegmentConfig, tags: tuple[str, ...], params: object) -> str | None:
    """What can't be meant together."""
    if config.forces_dynamic:
        others = {
            "revalidate": config.revalidate is not None,
            "tags": bool(tags),
            "params": params is not None,
            "cache_query": bool(config.cache_query),
            "cache_host": bool(config.cache_host),
            "cache_vary": bool(config.cache_vary),
        }
        other = next((name for name, is_given in others.items() if is_given), None)
        if other is not None:
            return f'dynamic="force-dynamic" stores nothing, so {other} has no effect; leave one of them out'
    if config.never_cached and not config.forces_dynamic and (config.forces_static or config.forbids_dynamic):
        return f'dynamic="{config.dynamic}" and revalidate=0, which makes it live, contradict each other'
    if config.closed and params is None:
        return "dynamic_params=False makes every path 404 that params doesn't list, and there is no params; add it"
    return None


def _shown(mark: StaticMark) -> Place:
    return Place(_relative(mark.file), mark.line)


def _relative(file: str) -> str:
    """A file for messages before a project is known."""
    below = os.path.relpath(file)
    return file if below.startswith("..") else below


def _name(function: Callable[..., Any]) -> str:
    return getattr(function, "__qualname__", None) or repr(function)
