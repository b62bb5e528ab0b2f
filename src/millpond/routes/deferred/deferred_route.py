"""The route of a file that hasn't been executed yet: what a build knows of it, and the rest at its first use."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from millpond.routes.operation import allow
from millpond.routes.route import FileRoute

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager

    from millpond.policy.variants.variation import Variation
    from millpond.routes.scan import RouteFile


@dataclass(frozen=True, slots=True)
class KnownRoute:
    """What a start has to know of a route file, as its build has found it."""

    methods: Sequence[str]
    cache_query: Sequence[str]
    """The parameters of the query that are part of an answer's key."""
    digest: str
    """As `Route.digest`."""
    variation: Variation | None = None
    """What else of a request is part of the key."""


class _OfLoaded:
    """An attribute of the route that loading makes; from then on it is the instance's own, which costs nothing."""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, route: DeferredRoute, owner: type | None = None) -> Any:
        return getattr(route.loaded(), self._name)


class DeferredRoute(FileRoute):
    """A route whose file is executed when something of it is needed that the build doesn't know, such as its handler.

    Args:
        file: the route file.
        known: what the build has found.
        load: makes the route of the file; raises RouteModuleError.
        lock: held while it does, by all routes of an application; one thread may take it several times.
    """

    _known: KnownRoute
    _load: Callable[[], FileRoute] | None
    """It keeps the source, so it is dropped after its use."""
    _lock: AbstractContextManager[object]
    _loaded: FileRoute | None

    def __init__(
        self,
        file: RouteFile,
        known: KnownRoute,
        load: Callable[[], FileRoute],
        lock: AbstractContextManager[object],
    ) -> None:
        vars(self).update(file=file, _known=known, _load=load, _lock=lock, _loaded=None)  # the class is frozen

    __eq__, __hash__ = object.__eq__, object.__hash__

    @property
    def is_loaded(self) -> bool:
        """Whether its file has been executed."""
        return self._loaded is not None

    def loaded(self) -> FileRoute:
        """The route of its file, which is executed by the first call.

        Raises:
            RouteModuleError: the file can't be executed any more; the next call tries it again.
        """
        if self._loaded is not None:
            return self._loaded
        with self._lock:
            if self._load is not None:  # another thread may have loaded it meanwhile
                loaded = self._load()
                vars(self).update(_loaded=loaded, _load=None)
                vars(self).update(module=loaded.module, by_method=loaded.by_method, operations=loaded.operations)
        return self.loaded()

    module: Any = _OfLoaded()
    by_method: Any = _OfLoaded()
    operations: Any = _OfLoaded()

    @property
    def digest(self) -> str:
        return self._known.digest

    @property
    def cache_query(self) -> Sequence[str]:
        return self._known.cache_query

    @property
    def variation(self) -> Variation | None:
        return self._known.variation

    @property
    def methods(self) -> list[str]:
        return [*self._known.methods]

    @property
    def allow(self) -> str:
        return allow(self._known.methods)

    def method_for(self, method: str) -> str:
        return "GET" if method == "HEAD" and "HEAD" not in self._known.methods else method
