from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from routes_project import write

from millpond.errors import RouteModuleError
from millpond.routes.route import FileRoute, load_route, load_routes
from millpond.routes.scan import scan

if TYPE_CHECKING:
    from pathlib import Path

    from millpond.routes.route_contract import Handler


def plain(handler: Handler) -> Handler:
    return handler


def routes_of(project: Path, files: dict[str, str]) -> list[FileRoute]:
    app = write(project, files)
    return load_routes(scan(app, project), project, app, plain)


def ids(routes: list[FileRoute]) -> dict[str, str | None]:
    return {
        route.pattern: operation.api_route.operation_id for route in routes for operation in route.operations.values()
    }


def test_a_route_has_an_operation_for_each_method(tmp_path: Path) -> None:
    source = "revalidate = 60\nfetchCache = 1\ndef GET(id): ...\nasync def POST(id): ...\n"
    app = write(tmp_path, {"app/items/[id]/route.py": source})
    (file,) = scan(app, tmp_path)
    route = load_route(file, tmp_path, app, plain)
    assert list(route.operations) == ["GET", "POST"]
    assert route.pattern == "/items/[id]"
    assert route.config.revalidate == 60
    assert route.params == ("id",)
    assert route.allow == "GET, HEAD, OPTIONS, POST"
    assert len(route.warnings) == 1
    assert all(operation.module is route.module for operation in route.operations.values())


def test_a_route_without_methods_allows_only_options(tmp_path: Path) -> None:
    (route,) = routes_of(tmp_path, {"app/route.py": ""})
    assert route.operations == {}
    assert route.allow == "OPTIONS"


@pytest.mark.parametrize(
    ("source", "method", "answers"),
    [
        ("def GET(): ...", "HEAD", "GET"),
        ("def GET(): ...\ndef HEAD(): ...", "HEAD", "HEAD"),
        ("def POST(): ...", "HEAD", "GET"),
        ("def GET(): ...", "OPTIONS", "OPTIONS"),
    ],
)
def test_head_falls_to_get_where_the_file_has_none(tmp_path: Path, source: str, method: str, answers: str) -> None:
    (route,) = routes_of(tmp_path, {"app/route.py": source})
    assert route.method_for(method) == answers


def test_routes_keep_the_order_in_which_they_match(tmp_path: Path) -> None:
    routes = routes_of(
        tmp_path, {f"app/{folder}/route.py": "def GET(): ...\n" for folder in ("[id]", "a", "[...rest]")}
    )
    assert [route.pattern for route in routes] == ["/a", "/[id]", "/[...rest]"]


def test_operations_of_one_name_get_ids_of_their_own(tmp_path: Path) -> None:
    source = "def GET(): ...\n"
    routes = routes_of(tmp_path, {f"app/{folder}/route.py": source for folder in ("a.b", "a_b", "c")})
    found = ids(routes)
    assert len(set(found.values())) == 3
    assert found["/c"] == "get_c"
    assert all(route.operations["GET"].api_route.unique_id == found[route.pattern] for route in routes)


def test_an_id_does_not_depend_on_the_other_routes_of_its_name(tmp_path: Path) -> None:
    source = "def GET(): ...\n"
    two = routes_of(tmp_path / "two", {f"app/{folder}/route.py": source for folder in ("a.b", "a_b")})
    three = routes_of(tmp_path / "three", {f"app/{folder}/route.py": source for folder in ("a-b", "a.b", "a_b")})
    assert ids(two).items() <= ids(three).items()


def test_one_broken_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(RouteModuleError, match=r"^app/b/route\.py:1: "):
        routes_of(tmp_path, {"app/a/route.py": "def GET(): ...\n", "app/b/route.py": "1 / 0\n"})
