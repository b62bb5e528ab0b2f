"""`@operation`: what it takes, where it may stand, and what it says about mistakes."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, assert_type

import pytest
from fastapi import APIRouter, Depends
from fastapi.testclient import TestClient

from millpond import Millpond, operation
from millpond.errors import MillpondError, RouteModuleError, UsageError

if TYPE_CHECKING:
    from ponds import Project

HEAD = "import functools\nfrom fastapi import APIRouter, Depends\nfrom fastapi.sse import EventSourceResponse\n"
HEAD += "from millpond import cached, operation\ndef guard(): ...\n"
LINE = HEAD.count("\n") + 1


def mistake(project: Project, source: str, file: str = "app/items/route.py", line: int | None = LINE) -> str:
    """What is said about a file, without its place."""
    project.write({file: HEAD + source})
    with pytest.raises(RouteModuleError) as caught:
        project.pond()
    place, _, problem = str(caught.value).partition(": ")
    assert place == f"{file}:{line}"
    return problem


@pytest.mark.parametrize(
    ("option", "problem"),
    [
        ("summry='x'", "@operation has no option summry; did you mean summary?"),
        ("respones={}", "@operation has no option respones; did you mean responses?"),
        ("methods=['GET']", "@operation has no option methods; the function's name is the method: name it GET, POST"),
        ("path='/x'", "@operation has no option path; the folder's name is the path; leave it out."),
        ("revalidate=60", "@operation has no option revalidate; write it as a constant of the file: revalidate = 60."),
        ("zzzzzz=1", "@operation has no option zzzzzz; there are callbacks, dependencies, deprecated, "),
        ("tags='a'", "@operation: tags is 'a'; write a list: ['a']."),
        ("tags=[1]", "@operation: tags has 1; write texts."),
        ("tags=7", "@operation: tags is 7; write a list of texts."),
        ("dependencies=Depends(guard)", "@operation: dependencies is one dependency; write a list: [Depends(...)]."),
        ("dependencies=[guard]", "@operation: dependencies has guard; write Depends(guard)."),
        ("dependencies=[Depends()]", "@operation: dependencies has Depends() without a function; write Depends(func"),
        ("status_code='201'", "@operation: status_code is '201'; write a status from 200 to 599."),
        ("status_code=True", "@operation: status_code is True; write a status from 200 to 599."),
        ("status_code=101", "@operation: status_code is 101; write a status from 200 to 599."),
        ("summary=1", "@operation: summary is 1; write a text."),
        ("deprecated='yes'", "@operation: deprecated is 'yes'; write True or False."),
        ("responses=[404]", "@operation: responses is a value of type list; write a dict of statuses: {404: {...}}."),
        ("responses={404: 'gone'}", "@operation: responses has 'gone' for 404; write a dict, such as {'model': ...}."),
        (
            "response_class=dict",
            "@operation: response_class is dict; write a class of responses, such as HTMLR",
        ),
        (
            "response_model_exclude='price'",
            "@operation: response_model_exclude is 'price'; write a set of the names",
        ),
        ("callbacks=APIRouter()", "@operation: callbacks is a router; write its routes: router.routes."),
        ("openapi_extra='x'", "@operation: openapi_extra is 'x'; write a dict."),
        ("max_body_size=-1", "@operation: max_body_size is -1; write a whole number of bytes, 0 or more."),
        ("generate_unique_id_function='x'", "@operation: generate_unique_id_function is 'x'; write a function that"),
    ],
)
def test_a_wrong_option_is_told_with_file_and_line(project: Project, option: str, problem: str) -> None:
    assert mistake(project, f"@operation(\n    {option},\n)\ndef POST(): ...\n").startswith(problem)


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ("@operation\ndef GET(): ...\n", "@operation has no options; write @operation(...), or leave it out."),
        ("@operation(tags=['a'])\nclass GET: ...\n", "@operation stands above a class; it belongs above a function of"),
        ("operation(tags=['a'])(7)\n", "@operation stands above a value of type int; it belongs above a function"),
        ("@operation(tags=['a'])\n@operation(tags=['b'])\ndef GET(): ...\n", "GET has two @operation; write all opt"),
        ("GET = operation(tags=['a'])(print)\n", "@operation can't mark print; put it above a function."),
        ("@operation(tags=['a'])\ndef helper(): ...\ndef GET(): ...\n", "helper has an @operation, and answers no req"),
        (
            "@operation(tags=['a'])\ndef generate_static_params(): ...\ndef GET(): ...\n",
            "generate_static_params has an @operation, and answers no requests; call the function by a method, such as",
        ),
        (
            "@operation(status_code=204)\ndef GET() -> dict: ...\n",
            "FastAPI can't use the signature or the options",
        ),
        ("@operation(status_code=304, response_model=int)\ndef GET(): ...\n", "FastAPI can't use the signature or the"),
        ("@operation(form_limits={'max_fieldz': 1})\ndef POST(): ...\n", "FastAPI can't use the signature or the opti"),
        (
            "@operation(max_body_size=1)\ndef GET(): ...\n",
            "@operation: max_body_size does nothing, as a GET has no",
        ),
        (
            "@operation(form_limits={})\ndef HEAD(): ...\n",
            "@operation: form_limits does nothing, as a HEAD has no",
        ),
        (
            "@operation(response_model_exclude_none=True)\ndef GET(): ...\n",
            "@operation: response_model_exclude_none does nothing without a response model; annotate what GET returns",
        ),
        (
            "@operation(response_class=EventSourceResponse)\ndef GET(): return 1\n",
            "@operation: EventSourceResponse sends what a handler yields, and GET doesn't; yield the events.",
        ),
    ],
)
def test_a_place_where_it_makes_no_sense_is_told_with_file_and_line(
    project: Project, source: str, problem: str
) -> None:
    assert mistake(project, source).startswith(problem)


def test_a_cached_handler_is_refused_as_ever(project: Project) -> None:
    for order in ("@operation(tags=['a'])\n@cached\n", "@cached\n@operation(tags=['a'])\n"):
        problem = mistake(project, f"{order}def GET(): ...\n", line=LINE + 2)
        assert problem.startswith("GET itself can't be @cached")


def test_a_metadata_file_and_the_file_of_a_folder_take_none(project: Project) -> None:
    source = "@operation(tags=['a'])\ndef sitemap(): return []\n"
    assert mistake(project, source, "app/sitemap.py").endswith(
        "a metadata file has no options of operations: leave it out."
    )
    (project.folder / "app/sitemap.py").unlink()
    project.write({"app/a/route.py": "def GET(): ...\n"})
    source = "@operation(tags=['a'])\ndef guard(): ...\n"
    problem = mistake(project, source, "app/router.py", LINE + 1)
    assert problem == "guard has an @operation, which belongs above a handler of a route file; move it there."


def test_one_operation_id_for_two_operations_is_told(project: Project) -> None:
    source = "from millpond import operation\n@operation(operation_id='x')\ndef GET(): ...\n"
    project.routes({"/a": f"\n{source}", "/b": source})
    place = r"^app/b/route\.py:3: the operation_id \"x\" is that of app/a/route\.py:4, too; "
    with pytest.raises(RouteModuleError, match=place):
        project.pond()


def test_outside_of_route_files_a_mistake_is_an_error_of_millponds_with_its_place() -> None:
    with pytest.raises(UsageError, match=r"test_operations_decorator\.py:\d+: @operation has no option summry; "):
        operation(summry="x")  # type: ignore[call-arg]
    assert issubclass(UsageError, MillpondError)


def test_an_endpoint_that_is_declared_in_code_has_its_options_there(project: Project) -> None:
    project.write({"shared.py": "from millpond import operation\n@operation(tags=['a'])\ndef shared(): return 1\n"})
    project.write({"app/a/route.py": "from shared import shared\nGET = shared\n"})
    app = project.pond()
    app.get("/b")(sys.modules["shared"].shared)
    assert TestClient(app).get("/b").json() == 1
    other = Millpond(project.folder / "app")
    router = APIRouter()
    router.get("/c")(operation(tags=["a"])(lambda: 1))
    other.include_router(router)
    with pytest.raises(RouteModuleError, match=r"test_operations_decorator\.py:\d+: @operation does nothing for /c, "):
        other.openapi()


def test_it_stands_among_other_decorators_and_above_shared_handlers(project: Project) -> None:
    project.write(
        {
            "shared.py": """
            import functools
            from millpond import operation

            def loud(function):
                @functools.wraps(function)
                def wrapper(**values):
                    return function(**values).upper()
                return wrapper

            @operation(status_code=203, tags=["shared"])
            def page(id: str): return id

            class Callable:
                def __call__(self): return "called"
            """,
            "app/[id]/route.py": "from shared import page\nGET = page\n",
            "app/above/[id]/route.py": "from shared import *\n@operation(status_code=202)\n@loud\n"
            "def GET(id: str): return id\n",
            "app/below/[id]/route.py": "from shared import *\n@loud\n@operation(status_code=201)\n"
            "def GET(id: str): return id\n",
            "app/made/route.py": "from shared import *\n@operation(status_code=206)\ndef base(): return 'b'\n"
            "GET = loud(base)\nPOST = operation(status_code=207)(Callable())\n",
        }
    )
    app = project.pond()
    client = TestClient(app)
    asked = {path: client.get(path) for path in ("/x", "/above/x", "/below/x", "/made")}
    assert {path: (each.status_code, each.json()) for path, each in asked.items()} == {
        "/x": (203, "x"),
        "/above/x": (202, "X"),
        "/below/x": (201, "X"),
        "/made": (206, "B"),
    }
    assert client.post("/made").status_code == 207
    assert app.openapi()["paths"]["/{id}"]["get"]["tags"] == ["shared"]


def test_none_stands_for_an_option_that_is_not_given(project: Project) -> None:
    source = "@operation(status_code=None, tags=None, summary=None, dependencies=None)\ndef POST(): return 1\n"
    project.write({"app/items/route.py": HEAD + source})
    found = project.pond().openapi()["paths"]["/items"]["post"]
    assert (found["tags"], found["summary"], list(found["responses"])) == (["items"], "POST /items", ["200"])


def test_a_named_operation_has_urls_by_its_name(project: Project) -> None:
    project.write({"app/items/[id]/route.py": f"{HEAD}@operation(name='item')\ndef GET(id: str): ...\n"})
    app = project.pond()
    assert app.url_path_for("item", id="7") == "/items/7"
    assert app.openapi()["paths"]["/items/{id}"]["get"]["operationId"] == "get_items_by_id"


@operation(status_code=201, tags=["a"], dependencies=[Depends(print)], responses={404: {"description": "gone"}})
async def typed(slug: str, *, page: int = 1) -> list[str]:
    return [slug] * page


def test_a_type_checker_keeps_the_type_of_the_handler_and_knows_the_options() -> None:
    assert asyncio.run(assert_type(typed("a", page=2), Coroutine[Any, Any, list[str]])) == ["a", "a"]
    with pytest.raises(UsageError):
        operation(status_code="201")  # type: ignore[arg-type]
    with pytest.raises(UsageError):
        operation(typed)  # type: ignore[arg-type]
