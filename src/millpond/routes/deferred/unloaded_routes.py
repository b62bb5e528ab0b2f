"""A router's list of routes, of which those of files are made when somebody looks at it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, SupportsIndex

from starlette.routing import BaseRoute

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from fastapi import APIRouter


class UnloadedRoutes(list[BaseRoute]):
    """Whoever looks at the list, or takes something out of it, finds the routes of all files in it.

    Adding a route at the end needs none of them: they come first.

    Args:
        known: the routes that are in the list.
        load: puts the others in, by `refill`; called at each look until it has.
    """

    def __init__(self, known: Iterable[BaseRoute], load: Callable[[], object]) -> None:
        super().__init__(known)
        self._load: Callable[[], object] | None = load

    def refill(self, routes: Iterable[BaseRoute]) -> None:
        """Put all routes in place of those that are there; from now on this is a list like others."""
        self._load = None
        super().__setitem__(slice(None), list(routes))

    def known(self) -> Iterator[BaseRoute]:
        """The routes that are in the list, without a look at files."""
        return super().__iter__()

    def _filled(self) -> list[BaseRoute]:
        if self._load is not None:
            self._load()
        return self

    def __iter__(self) -> Iterator[BaseRoute]:
        self._filled()
        return super().__iter__()

    def __len__(self) -> int:
        self._filled()
        return super().__len__()

    def __bool__(self) -> bool:
        return len(self) > 0

    def __getitem__(self, index: Any) -> Any:
        self._filled()
        return super().__getitem__(index)

    def __setitem__(self, index: Any, value: Any) -> None:
        self._filled()
        super().__setitem__(index, value)

    def __delitem__(self, index: SupportsIndex | slice) -> None:
        self._filled()
        super().__delitem__(index)

    def __contains__(self, route: object) -> bool:
        self._filled()
        return super().__contains__(route)

    def __reversed__(self) -> Iterator[BaseRoute]:
        self._filled()
        return super().__reversed__()

    def __eq__(self, other: object) -> bool:
        self._filled()
        return super().__eq__(other)

    __hash__ = None

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __add__(self, other: list[Any]) -> list[Any]:
        self._filled()
        return super().__add__(other)

    def __radd__(self, other: list[Any]) -> list[Any]:
        return [*other, *self]

    def __mul__(self, times: SupportsIndex) -> list[BaseRoute]:
        self._filled()
        return super().__mul__(times)

    def __repr__(self) -> str:
        self._filled()
        return super().__repr__()

    def copy(self) -> list[BaseRoute]:
        self._filled()
        return super().copy()

    def index(self, route: BaseRoute, *between: SupportsIndex) -> int:
        self._filled()
        return super().index(route, *between)

    def count(self, route: BaseRoute) -> int:
        self._filled()
        return super().count(route)

    def insert(self, index: SupportsIndex, route: BaseRoute) -> None:
        self._filled()
        super().insert(index, route)

    def pop(self, index: SupportsIndex = -1) -> BaseRoute:
        self._filled()
        return super().pop(index)

    def remove(self, route: BaseRoute) -> None:
        self._filled()
        super().remove(route)

    def clear(self) -> None:
        self._filled()
        super().clear()

    def reverse(self) -> None:
        self._filled()
        super().reverse()

    def sort(self, *, key: Any = None, reverse: bool = False) -> None:
        self._filled()
        super().sort(key=key, reverse=reverse)


def refill(router: APIRouter, routes: list[BaseRoute]) -> None:
    """Put `routes` in place of all that a router lists, in the same list."""
    if isinstance(router.routes, UnloadedRoutes):
        router.routes.refill(routes)
    else:
        router.routes[:] = routes


def known_routes(router: APIRouter) -> Sequence[BaseRoute]:
    """The routes of a router, without a look at the files that others would be made of; not to be changed."""
    routes = router.routes
    return list(routes.known()) if isinstance(routes, UnloadedRoutes) else routes
