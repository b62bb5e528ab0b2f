"""A router's list of routes that has those of files in it for whoever looks."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import pytest
from fastapi import APIRouter
from starlette.routing import Route

from millpond.routes.deferred.unloaded_routes import UnloadedRoutes, known_routes, refill

if TYPE_CHECKING:
    from collections.abc import Callable


def route(path: str) -> Route:
    return Route(path, lambda request: None)


FILE, OTHER, DECLARED = route("/file"), route("/other"), route("/declared")


class Lists:
    """The list, and how often its files were loaded."""

    def __init__(self) -> None:
        self.loads = 0
        self.routes = UnloadedRoutes([DECLARED], self.load)

    def load(self) -> None:
        self.loads += 1
        self.routes.refill([FILE, OTHER, *self.routes.known()])


@pytest.mark.parametrize(
    ("look", "found"),
    [
        (list, [FILE, OTHER, DECLARED]),
        (tuple, (FILE, OTHER, DECLARED)),
        (lambda routes: [*routes], [FILE, OTHER, DECLARED]),
        (lambda routes: [each for each in routes], [FILE, OTHER, DECLARED]),  # noqa: C416 - as people write it
        (len, 3),
        (bool, True),
        (lambda routes: routes[0], FILE),
        (lambda routes: routes[1:], [OTHER, DECLARED]),
        (lambda routes: OTHER in routes, True),
        (lambda routes: list(reversed(routes)), [DECLARED, OTHER, FILE]),
        (lambda routes: routes == [FILE, OTHER, DECLARED], True),
        (lambda routes: routes != [DECLARED], True),
        (lambda routes: routes + [DECLARED], [FILE, OTHER, DECLARED, DECLARED]),  # noqa: RUF005 - what is asked
        (lambda routes: [DECLARED] + routes, [DECLARED, FILE, OTHER, DECLARED]),  # noqa: RUF005 - what is asked
        (lambda routes: routes * 1, [FILE, OTHER, DECLARED]),
        (lambda routes: repr(routes), repr([FILE, OTHER, DECLARED])),
        (lambda routes: routes.copy(), [FILE, OTHER, DECLARED]),
        (lambda routes: list(copy.copy(routes)), [FILE, OTHER, DECLARED]),
        (lambda routes: routes.index(DECLARED), 2),
        (lambda routes: routes.count(FILE), 1),
        (lambda routes: routes.pop(0), FILE),
        (lambda routes: routes.sort(key=lambda each: each.path) or routes[0], DECLARED),
    ],
)
def test_each_look_finds_the_routes_of_files(look: Callable[[Any], object], found: object) -> None:
    lists = Lists()
    assert (look(lists.routes), lists.loads) == (found, 1)
    len(lists.routes)
    assert lists.loads == 1


@pytest.mark.parametrize(
    ("change", "left"),
    [
        (lambda routes: routes.insert(0, DECLARED), [DECLARED, FILE, OTHER, DECLARED]),
        (lambda routes: routes.remove(FILE), [OTHER, DECLARED]),
        (lambda routes: routes.clear(), []),
        (lambda routes: routes.reverse(), [DECLARED, OTHER, FILE]),
        (lambda routes: routes.__setitem__(0, OTHER), [OTHER, OTHER, DECLARED]),
        (lambda routes: routes.__setitem__(slice(None), [FILE]), [FILE]),
        (lambda routes: routes.__delitem__(0), [OTHER, DECLARED]),
        (lambda routes: routes.extend([FILE]), [FILE, OTHER, DECLARED, FILE]),
        (lambda routes: routes.append(FILE), [FILE, OTHER, DECLARED, FILE]),
        (lambda routes: routes.__iadd__([FILE]), [FILE, OTHER, DECLARED, FILE]),
    ],
)
def test_changes_are_made_to_all_routes(change: Callable[[Any], object], left: list[Route]) -> None:
    lists = Lists()
    change(lists.routes)
    assert list(lists.routes) == left


def test_a_route_that_is_added_loads_nothing() -> None:
    lists = Lists()
    lists.routes.append(OTHER)
    lists.routes.extend([FILE])
    assert (list(lists.routes.known()), lists.loads) == ([DECLARED, OTHER, FILE], 0)


def test_what_a_router_lists_is_known_without_loading_and_refilled_in_place() -> None:
    lists, router = Lists(), APIRouter()
    plain = router.routes
    refill(router, [FILE])
    assert (known_routes(router), router.routes is plain) == ([FILE], True)
    router.routes = lists.routes
    assert (known_routes(router), lists.loads) == ([DECLARED], 0)
    refill(router, [OTHER])
    assert (list(router.routes), router.routes is lists.routes, lists.loads) == ([OTHER], True, 0)
