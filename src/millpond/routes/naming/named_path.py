"""What a path or a pattern means that somebody has written: the tags of the answers it names, and what is odd."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal, NamedTuple
from urllib.parse import urlsplit

from millpond.errors import UsageError
from millpond.messages import one_of
from millpond.policy.tags import below_tag, path_tag, route_tag
from millpond.routes.endpoints.bracketed_path import bracketed
from millpond.routes.naming.built_path import (
    PARAMETER,
    NoSuchPath,
    built_segments,
    check_text,
    is_group,
    is_unicode,
)
from millpond.routes.naming.route_names import RouteNames
from millpond.routes.path import canonical, decoded_or_as_it_is

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

PathType = Literal["route", "page", "layout"]

MAX_PATH = 1024
"""Characters; a longer path is ignored with a warning (R6.12)."""

FUNCTION = "revalidate_path()"
_TYPES = ("route", "page", "layout")
_SHOWN = 200
"""Characters of a path in a message."""


class NamedPath(NamedTuple):
    """What a text names."""

    tags: tuple[str, ...]
    """The built-in tags of its answers (R6.2); empty if no path can be as the text. Entries have their stored form."""
    warning: str | None = None
    """What looks like a mistake, and the remedy; a whole sentence."""


def named_path(path: str, type: PathType | None, routes: RouteNames | None) -> NamedPath:  # noqa: A002 - as the API
    """What a text means: a pattern, a path that is percent-encoded, or one that is decoded.

    Of these each counts that a route has. If there are several, all of them do: that an answer is rendered once more is
    better than that it stays.

    Args:
        path: as `revalidate_path` takes it.
        type: as `revalidate_path` takes it.
        routes: those of the application; None: they aren't known, so nothing can be said about what they lack.

    Raises:
        UsageError: the path is no text or has no leading slash, or the type is unknown.
    """
    check_text(FUNCTION, path)
    if type not in (None, *_TYPES):
        raise UsageError(f"{FUNCTION}: type is {type!r}; it is {one_of(_TYPES)}, or None.")
    if len(path) > MAX_PATH:
        return NamedPath((), f"the path has {len(path)} characters, over {MAX_PATH}; it is ignored")
    if not is_unicode(path) or "\0" in path:
        return NamedPath((), f"no path can be {_shown(path)}; it is ignored")
    return _Reading(routes or RouteNames(lambda: ()), routes is not None, below=type == "layout").read(path)


def named_by(
    pattern: str,
    type: PathType | None,  # noqa: A002 - as the API
    params: Mapping[str, object],
    routes: RouteNames | None,
) -> NamedPath:
    """What a pattern means with values for its parameters: one path.

    Raises:
        UsageError: as `named_path` does; or the values aren't those of the pattern's parameters.
    """
    if type not in (None, *_TYPES):
        raise UsageError(f"{FUNCTION}: type is {type!r}; it is {one_of(_TYPES)}, or None.")
    try:
        segments = built_segments(FUNCTION, pattern, params)
    except NoSuchPath as error:
        return NamedPath((), f"{error}; it is ignored")
    if len(path := canonical(segments)) > MAX_PATH:
        return NamedPath((), f"the path has {len(path)} characters, over {MAX_PATH}; it is ignored")
    reading = _Reading(routes or RouteNames(lambda: ()), routes is not None, below=type == "layout")
    return reading.of_segments(pattern, segments)


class _Reading:
    """One text, read with the routes of an application."""

    def __init__(self, routes: RouteNames, are_known: bool, *, below: bool) -> None:
        self._routes, self._are_known, self._below = routes, are_known, below

    def read(self, path: str) -> NamedPath:
        path, remark = self._path_alone(path)
        tags, inner = self._tags(path), self._below_base(path)
        more = () if inner is None else self._tags(inner)
        if tags or not self._are_known:
            return NamedPath(tuple(dict.fromkeys((*tags, *more))) or self._unknown(path), remark)
        if inner is not None and more:
            return NamedPath(more, remark or self._with_base(path, inner))
        guess = self._routes.with_slashes(path.removeprefix("/").split("/")) if not _has_parameter(path) else None
        if guess is not None:
            pattern, segments = guess
            spellings = [segments, [decoded_or_as_it_is(segment) for segment in segments]]
            hint = _hint(pattern)
            return NamedPath(
                tuple(dict.fromkeys(self._literal(canonical(each)) for each in spellings)),
                f"no route has the path {_shown(path)}; it is taken for one of {pattern} with slashes in the value: "
                f"{hint}",
            )
        nobodys = self._without_route(path)
        return NamedPath(self._unknown(path), nobodys if remark is None else f"{remark}. Besides, {nobodys}")

    def of_segments(self, pattern: str, segments: Sequence[str]) -> NamedPath:
        """What the path of these decoded segments is."""
        tags = self._of_path(segments, "/" + "/".join(segments))
        if tags or not self._are_known:
            return NamedPath(tags or (self._literal(canonical(segments)),))
        inner, base = self._below_base(pattern), [part for part in self._routes.base_path.split("/") if part]
        if inner is not None:
            below = segments[len(base) :]
            tags = self._of_path(below, "/" + "/".join(below))
        warning = self._without_route(pattern) if inner is None or not tags else self._with_base(pattern, inner)
        return NamedPath(tags or (self._literal(canonical(segments)),), warning)

    def _path_alone(self, path: str) -> tuple[str, str | None]:
        """The text without what no path has, and a remark about that."""
        if not path.startswith("/"):
            if re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", path) is None:
                raise UsageError(f'{FUNCTION}: "{_short(path)}" has no leading slash; write "/{_short(path)}".')
            whole, path = path, _path_in(path)
            path = self._below_base(path) or path
            return path, f'{_shown(whole)} is a whole URL; only its path counts: write "{_short(path)}"'
        alone = re.split(r"[?#]", path, maxsplit=1)[0]
        if alone == path:
            return path, None
        segments = [decoded_or_as_it_is(part) for part in alone.split("/") if part]
        pattern = self._routes.pattern_for(segments)
        value = "" if pattern is None else f"; if it is part of a value, {_hint(pattern)}"
        return alone or "/", (
            f'{_shown(path)} has a query or a fragment, which is left out: "{_short(alone)}" alone means every '
            f"query{value}"
        )

    def _below_base(self, path: str) -> str | None:
        """A path without the base path that it begins with; None: it doesn't."""
        base = self._routes.base_path
        return path.removeprefix(base) or "/" if base and (path == base or path.startswith(f"{base}/")) else None

    def _tags(self, path: str) -> tuple[str, ...]:
        """Those of each meaning that a route has."""
        tags = dict[str, None]()
        pattern = self._routes.pattern(path, below=self._below) if _is_pattern(path) else None
        if pattern is not None:
            tags[self._of_pattern(pattern)] = None
        if _has_parameter(path):  # a value may look like that, but a wrong name is more likely
            return tuple(tags)
        parts = [part for part in path.split("/") if part]
        decoded = list(map(decoded_or_as_it_is, parts))
        for segments, whole in ((decoded, "/".join(map(decoded_or_as_it_is, path.split("/")))), (parts, path)):
            tags.update(dict.fromkeys(self._of_path(segments, whole)))
        return tuple(tags)

    def _of_path(self, segments: Sequence[str], whole: str) -> tuple[str, ...]:
        """The tag of a path, in decoded segments and as a decoded whole, as far as a route has it."""
        found = dict[str, None]()
        if self._routes.has_path(segments, below=self._below):
            found[self._literal(canonical(segments))] = None
        path = self._routes.endpoint_path(whole, below=self._below)
        if path is not None:
            found[self._literal(path)] = None
        return tuple(found)

    def _unknown(self, path: str) -> tuple[str, ...]:
        """The tags of what no route has, as far as is known here: what a text looks like counts."""
        tags = []
        if _is_pattern(path):
            tags.append(self._of_pattern("/" + "/".join(part for part in bracketed(path).split("/") if part)))
        if not tags or self._are_known:
            tags.append(self._literal(canonical([decoded_or_as_it_is(part) for part in path.split("/") if part])))
        return tuple(tags)

    def _of_pattern(self, pattern: str) -> str:
        if self._below:
            return below_tag(pattern)
        return route_tag("/" + "/".join(part for part in pattern.split("/") if part and not is_group(part)))

    def _literal(self, path: str) -> str:
        return below_tag(path) if self._below else path_tag(path)

    @staticmethod
    def _with_base(path: str, inner: str) -> str:
        return f'{_shown(path)} begins with base_path, which is left out: write "{_short(inner)}"'

    def _without_route(self, path: str) -> str:
        nearest = self._routes.nearest(path)
        meant = "" if nearest is None else f'; did you mean "{nearest}"?'
        return f"no route has the path {_shown(path)}{' or one below it' if self._below else ''}{meant}"


def _has_parameter(path: str) -> bool:
    """Whether a whole segment is a parameter. Within a segment, brackets are ordinary in a file route's path."""
    return any(PARAMETER.fullmatch(part) for part in bracketed(path).split("/"))


def _is_pattern(path: str) -> bool:
    """Whether it may be the pattern of more than one path, or have groups of folders."""
    text = bracketed(path)
    return PARAMETER.search(text) is not None or any(map(is_group, text.split("/")))


def _path_in(url: str) -> str:
    try:
        return urlsplit(url).path or "/"
    except ValueError:  # its host is wrong
        return "/" + url.split("://", 1)[1].partition("/")[2]


def _hint(pattern: str) -> str:
    found = PARAMETER.search(pattern)
    name = "" if found is None else found["one"] or found["many"] or found["any"]
    return f'write revalidate_path("{pattern}", {name}=…)'


def _short(path: str) -> str:
    text = path if path.isprintable() else path.encode("unicode_escape").decode("ascii")
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def _shown(path: str) -> str:
    return f'"{_short(path)}"'
