"""Which of an application's routes a request gets to, asked of the routes themselves, without running any."""

from __future__ import annotations

import re
from operator import is_
from typing import TYPE_CHECKING, Any

from starlette.routing import Match, Mount

from millpond.internals.fastapi_inclusion import are_plain, effective_routes
from millpond.routes.endpoints.matched_path import segments_of
from millpond.routes.path import canonical

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from starlette.routing import BaseRoute

    from millpond.internals.fastapi_inclusion import EffectiveRoute

    FileOf = Callable[[dict[str, Any]], str | None]
    PlaceOf = Callable[[EffectiveRoute], str]

_SAMPLES = ("~any~", "90071992547409", "90071992547409.5", "9007a992-5474-4099-8007-199254740991")
"""Values of which a convertor takes one as a rule, and that hardly any literal path has."""


def sample_of(route: EffectiveRoute) -> tuple[str, ...] | None:
    """A path of a route, in segments, that no other route means in particular; None: none is known."""
    path = route.path_format
    for name, convertor in route.convertors.items():
        text = next((each for each in _SAMPLES if re.fullmatch(convertor.regex, each)), None)
        if text is None:
            return None
        path = path.replace(f"{{{name}}}", text)
    return segments_of(path)


class Reach:
    """Looks at the routes of one application, in the order in which its router does.

    Args:
        routes: the router's, without those of files.
        file_of: the route file that answers the request of a scope; None: none does.
        place_of: where a route is declared, for messages.
    """

    def __init__(self, routes: Callable[[], Sequence[BaseRoute]], file_of: FileOf, place_of: PlaceOf) -> None:
        self._routes, self._file_of, self._place_of = routes, file_of, place_of
        self._plain: tuple[list[BaseRoute], bool] = [], True

    def instead_of(self, route: EffectiveRoute, segments: Sequence[str], method: str = "GET") -> str | None:
        """What answers a path in place of a route; None: the route itself does.

        Args:
            route: the route.
            segments: of the path, decoded.
            method: of the request.
        """
        scope = _scope(segments, method)
        file = self._file_of(dict(scope))
        if file is not None:
            return f"{file} answers it"
        for each in effective_routes(self._routes()):
            if each.original is route.original and each.answers_like(route):
                return None
            if each.matches(dict(scope)) is Match.FULL:
                what = "mounted application" if isinstance(each.original, Mount) else "route"
                return f"the {what} {each.path} ({self._place_of(each)}) answers it"
        return None

    def file_instead(self, segments: Sequence[str]) -> str | None:
        """The route file that answers a path in place of all that is declared in code; None: none does."""
        return self._file_of(_scope(segments, "GET"))

    def is_told_by_path(self, route: EffectiveRoute) -> bool:
        """Whether the path and the method alone say that a route answers: then later requests needn't be matched.

        Host routes, and routes with a `matches` of their own, may look at the headers.
        """
        routes = list(self._routes())
        known, plain = self._plain
        if len(known) != len(routes) or not all(map(is_, known, routes)):
            plain = are_plain(routes)
            self._plain = routes, plain
        return plain and route.is_plain


def _scope(segments: Sequence[str], method: str) -> dict[str, Any]:
    return {
        "type": "http",
        "method": method,
        "path": "/" + "/".join(segments),
        "raw_path": canonical(segments).encode("ascii"),
        "root_path": "",
        "query_string": b"",
        "headers": [],
    }
