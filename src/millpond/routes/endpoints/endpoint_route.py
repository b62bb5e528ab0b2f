"""The route of an endpoint with `@static`: what files say by constants, it says by the decorator."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Any

from millpond.policy.segment import OPTION_NAMES
from millpond.routes.endpoints.bracketed_path import spellings
from millpond.routes.endpoints.listed_paths import listed_paths
from millpond.routes.endpoints.matched_path import matched_path, segments_of
from millpond.routes.endpoints.reach import sample_of
from millpond.routes.options.guards import guarded_digest
from millpond.routes.path import canonical
from millpond.routes.route_contract import ListedPath, Route, Wish

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from millpond.errors import Place
    from millpond.internals.fastapi_inclusion import EffectiveRoute
    from millpond.policy.compat import Compat
    from millpond.policy.segment import SegmentConfig
    from millpond.routes.endpoints.reach import Reach
    from millpond.routes.endpoints.static import StaticMark
    from millpond.routes.route_contract import Operation, Params

_OPTIONS = (*OPTION_NAMES, "generate_static_params")


class EndpointRoute(Route):
    """One inclusion of an endpoint in an application. FastAPI matches its requests.

    Args:
        route: FastAPI's route, with what its inclusion adds.
        mark: what `@static` says.
        get: its operation.
        origin: what tells it from every other route.
        source: the file of the endpoint, within the project if it lies there.
        mark_place: where `@static` stands.
        digest: of the file.
        reach: looks for routes in front of it.
        config: what `@static` says, with what the configuration says for all routes; None: the former alone.
    """

    def __init__(
        self,
        route: EffectiveRoute,
        mark: StaticMark,
        get: Operation,
        *,
        origin: str,
        source: str,
        mark_place: Place,
        digest: str,
        reach: Reach,
        config: SegmentConfig | None = None,
    ) -> None:
        self.route, self.mark = route, mark
        self._config = mark.config if config is None else config
        self._operations: Mapping[str, Operation] = {"GET": get}
        self._origin, self._source, self._mark_place = origin, source, mark_place
        self._digest = guarded_digest(digest, get.guards)
        self._reach = reach
        self._patterns = spellings(route.path)
        self._params = tuple(route.convertors)

    @property
    def operations(self) -> Mapping[str, Operation]:
        return self._operations

    @property
    def origin(self) -> str:
        return self._origin

    @property
    def source(self) -> str:
        return self._source

    @property
    def pattern(self) -> str:
        return self._patterns[0]

    @property
    def own_patterns(self) -> tuple[str, ...]:
        return self._patterns

    @property
    def folders(self) -> str:
        return self._patterns[0]

    @property
    def config(self) -> SegmentConfig:
        return self._config

    @property
    def segments(self) -> None:
        """FastAPI's convertors say more than segments can."""

    @property
    def params(self) -> tuple[str, ...]:
        return self._params

    @property
    def digest(self) -> str:
        return self._digest

    @property
    def tags(self) -> tuple[str, ...]:
        return self.mark.tags

    @property
    def lister(self) -> str | None:
        return None if self.mark.params is None else "params"

    async def listed(self) -> list[ListedPath]:
        return await listed_paths(self.mark, self.route, self._mark_place)

    def place(self, name: str) -> Place:
        return self._mark_place if name in _OPTIONS else self._operations["GET"].place

    def wish(self, compat: Compat, *, cache_components: bool) -> Wish:
        """With Cache Components parameters must be listed, as in files (R9.11)."""
        del compat
        if cache_components and self._params and self.mark.params is None:
            return Wish(False, "has parameters, and @static has no params", self._mark_place)
        return Wish(True, self.mark.written, self._mark_place)

    def unreachable(self, path: ListedPath | None = None) -> str | None:
        segments = sample_of(self.route) if path is None else path.segments
        return None if segments is None else self._reach.instead_of(self.route, segments)

    def taken(self, path: str) -> ListedPath | None:
        params = self.route.params_of(path)
        if params is None or self._reach.instead_of(self.route, segments_of(path)) is not None:
            return None
        return ListedPath(segments_of(path), params)

    @property
    def methods(self) -> list[str]:
        return sorted(self.route.methods)

    @property
    def follows_trailing_slash(self) -> bool:
        return False

    @property
    def shares_request_state(self) -> bool:
        return True

    @property
    def live_remedy(self) -> str:
        return f'Write @static(dynamic="force-dynamic") in {self._mark_place}, or leave @static out'

    @property
    def is_told_by_path(self) -> bool:
        return self._reach.is_told_by_path(self.route)

    @property
    def allow(self) -> str:
        return ", ".join(sorted(self.route.methods))

    def method_for(self, method: str) -> str:
        """HEAD is FastAPI's: it is 405 unless the endpoint is declared for it."""
        return "GET" if method == "HEAD" and "HEAD" in self.route.methods else method

    def spellings(self, params: Params) -> Sequence[str]:
        """The path with each value as its type writes it: whoever invalidates /items/7 means /items/007, too."""
        texts = {name: _text(value) for name, value in {**params, **self.route.path_values(params)}.items()}
        path = self.route.path_format
        for name in self._params:
            if texts.get(name) is None:
                return ()
        for name in self._params:
            path = path.replace(f"{{{name}}}", str(texts[name]))
        return (canonical([segment for segment in segments_of(path) if segment]),)

    def found(self, scope: Mapping[str, Any]) -> ListedPath | None:
        """The path of a request that FastAPI has matched, and its parameters; None: it can't be one for everybody.

        A parent may have mounted the application at a path with parameters, which no shared render has.
        """
        path = matched_path(scope)
        params = self.route.params_of(path)
        if params is None or not path.startswith("/") or set(scope.get("path_params", ())) - set(params):
            return None
        try:
            path.encode()
        except UnicodeEncodeError:  # a server may decode what is no UTF-8 to surrogates
            return None
        return ListedPath(segments_of(path), params)


def _text(value: object) -> str | None:
    """How a path has a value of a simple type; None for any other one."""
    if isinstance(value, Enum):
        return _text(value.value)
    return None if isinstance(value, bool | list | dict | tuple | bytes) or value is None else str(value)
