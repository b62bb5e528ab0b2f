"""What is wrong with `@static` is said with file and line: where it is written, or when the application starts."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, assert_type

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from declared_in_code import PRELUDE, declare, pond_of
from millpond import Millpond, RouteError, UsageError, static
from ponds import start

if TYPE_CHECKING:
    from ponds import Project

FIRST = PRELUDE.count("\n") + 1
"""The line of main.py on which a test's source begins."""


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("revalidat=60", "@static has no option 'revalidat'; did you mean revalidate?"),
        ("something=60", "@static has no option 'something'."),
        ("revalidate=-1", "revalidate = -1 is not allowed; revalidate takes False, 0 or a positive whole number"),
        ("revalidate=1.5", "revalidate = 1.5 is not allowed"),
        ("revalidate=True", "revalidate = True is not allowed"),
        ("revalidate='60'", "revalidate = '60' is not allowed"),
        ("dynamic='static'", "dynamic = 'static' is not allowed; dynamic takes"),
        (
            "dynamic='force-dynamic', revalidate=60",
            'dynamic="force-dynamic" stores nothing, so revalidate has no effect',
        ),
        ("dynamic='force-dynamic', tags=['a']", 'dynamic="force-dynamic" stores nothing, so tags has no effect'),
        ("dynamic='force-dynamic', params=[]", 'dynamic="force-dynamic" stores nothing, so params has no effect'),
        ("dynamic='force-static', revalidate=0", 'dynamic="force-static" and revalidate=0'),
        ("dynamic='error', revalidate=0", 'dynamic="error" and revalidate=0'),
        ("dynamic_params=False", "there is no params"),
        ("tags=[1]", "1"),
        ("tags=5", "tags takes a list of names"),
        ("tags=[f'{n}' for n in range(200)]", "more than 128 tags"),
        ("params=5", "params takes a list of dicts"),
        ("params='abc'", "params takes a list of dicts"),
        ("cache_query='page'", "cache_query = 'page' is not allowed"),
        ("fetch_cache='no'", "fetch_cache = 'no' is not allowed"),
        ("frozen_ok=['clok']", "frozen_ok = ['clok'] is not allowed"),
    ],
)
def test_a_wrong_option_is_an_error_where_it_is_written(project: Project, options: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        declare(project, FastAPI(), f"@app.get('/x')\n@static({options})\ndef x():\n    return 1")
    assert message in str(caught.value)
    assert f"main.py:{FIRST + 1}: @static" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_is_no_function_and_what_is_marked_twice_is_refused(project: Project) -> None:
    with pytest.raises(UsageError, match=r"main.py:6: @static is for a function, and this is a class"):
        declare(project, FastAPI(), "@app.get('/x')\n@static()\nclass X:\n    pass")
    with pytest.raises(UsageError, match=r"x has @static\(revalidate=1\) already \(.*main.py:7\)"):
        declare(project, FastAPI(), "@static\n@app.get('/x')\n@static(revalidate=1)\ndef x():\n    return 1")


def test_a_factory_that_runs_again_marks_again_and_other_options_are_refused() -> None:
    def x() -> int:
        return 1

    def create(constructor: type[FastAPI], age: int) -> FastAPI:
        app = constructor()
        app.get("/x")(static(revalidate=age, params=[], tags=("x",))(x))
        return app

    for constructor in (FastAPI, Millpond, Millpond):
        with TestClient(create(constructor, 60)) as client:
            kept = [client.get("/x").headers.get("x-nextjs-cache") for _ in range(2)]
        assert kept == (["MISS", "HIT"] if constructor is Millpond else [None, None])
    with pytest.raises(UsageError, match=r"has @static\(revalidate=60, .* already"):
        create(Millpond, 61)


@pytest.mark.parametrize(
    ("declared", "what"),
    [
        ("@app.post('/x')", "POST /x"),
        ("@app.api_route('/x', methods=['PUT', 'PATCH'])", "PATCH, PUT /x"),
        ("@app.head('/x')", "HEAD /x"),
        ("@app.websocket('/x')", "/x"),
        ("@app.router.route('/x')", "GET, HEAD /x"),
    ],
)
@pytest.mark.anyio
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
async def test_a_mark_on_what_is_no_get_is_an_error_at_the_start(project: Project, declared: str, what: str) -> None:
    pond, _ = pond_of(project, f"{declared}\n@static()\ndef x(request):\n    return 1")
    with pytest.raises(RouteError) as caught:
        await start(pond)
    assert str(caught.value).startswith(
        f"main.py:{FIRST + 1}: @static() is for a GET that FastAPI's decorators declare"
    )
    assert what in str(caught.value)
    with pytest.raises(RouteError):
        await pond.build()


@pytest.mark.anyio
async def test_one_function_for_get_and_for_post_is_cached_for_get(project: Project) -> None:
    source = "@app.post('/x')\n@app.get('/x')\n@static()\ndef x():\n    return 1"
    await start(pond_of(project, source)[0])


def test_a_marked_function_is_the_same_function() -> None:
    def endpoint() -> int:
        return 1

    def other() -> int:
        return 1

    def taking(value: Callable[[], int]) -> Any:
        return value

    marked = static(revalidate=60)(endpoint)
    assert assert_type(marked, Callable[[], int]) is endpoint
    assert taking(static(functools.partial(other)))() == 1


def test_endpoints_that_only_look_like_partials_are_no_endless_search(project: Project) -> None:
    source = """
    class Mocked:
        def __call__(self):
            return 1

        @property
        def func(self):
            return Mocked()

    @app.get("/items")
    @static()
    def items():
        return 1

    app.add_api_route("/mocked", Mocked())
    """
    with TestClient(pond_of(project, source)[0]) as client:
        assert client.get("/mocked").json() == 1
