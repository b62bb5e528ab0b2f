from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from fastapi import FastAPI
from one_operation import answer, operation, refusal
from routes_project import load_one

from millpond.errors import Place
from millpond.routes.operation import allow, make_operation
from millpond.routes.route_contract import DeclaredInput, Handler

if TYPE_CHECKING:
    from pathlib import Path

    from fastapi import Request, Response


# the request


def test_what_stands_around_the_function_does_so_within_the_block_alone(tmp_path: Path) -> None:
    get = operation(tmp_path, "def GET():\n    return 'own'\n")
    assert answer(get, "/") == "own"
    with get.api_route.called_through(lambda call: lambda: f"around {call()}"):
        assert answer(get, "/") == "around own"
    assert answer(get, "/") == "own"


@pytest.mark.parametrize("annotation", ["", ": Request", ": 'Request'"])
@pytest.mark.parametrize("kind", ["def", "async def"])
def test_request_is_the_request_annotated_or_not(tmp_path: Path, kind: str, annotation: str) -> None:
    source = (
        f"from fastapi import Request\n{kind} GET(request{annotation}): return [request.method, request.url.path]\n"
    )
    assert answer(operation(tmp_path, source, "a"), "/a") == ["GET", "/a"]


def test_a_sync_handler_runs_in_a_thread_and_an_async_one_in_the_loop(tmp_path: Path) -> None:
    source = """
        import threading

        {kind} GET(request):
            return threading.current_thread() is threading.main_thread()
    """
    assert answer(operation(tmp_path / "sync", source.format(kind="def")), "/") is False
    assert answer(operation(tmp_path / "async", source.format(kind="async def")), "/") is True


# the path's parameters


@pytest.mark.parametrize(
    ("annotation", "path", "value"),
    [
        ("", "/i/7", "7"),
        (": str", "/i/a%2Fb", "a/b"),
        (": int", "/i/7", 7),
        (": UUID", "/i/12345678-1234-5678-1234-567812345678", "12345678-1234-5678-1234-567812345678"),
        (": Annotated[int, Path(ge=5)]", "/i/7", 7),
        (": 'int'", "/i/7", 7),
        (": int = 3", "/i/7", 7),
    ],
)
def test_a_parameter_is_what_the_handler_says_it_is(tmp_path: Path, annotation: str, path: str, value: object) -> None:
    source = f"""
        from typing import Annotated
        from uuid import UUID
        from fastapi import Path

        def GET(id{annotation}): return id
    """
    assert answer(operation(tmp_path, source, "i/[id]"), path) == value


@pytest.mark.parametrize(("annotation", "path"), [("int", "/i/x"), ("Annotated[int, Path(ge=5)]", "/i/4")])
def test_a_parameter_of_the_wrong_kind_is_422(tmp_path: Path, annotation: str, path: str) -> None:
    source = f"from typing import Annotated\nfrom fastapi import Path\ndef GET(id: {annotation}): ...\n"
    assert answer(operation(tmp_path, source, "i/[id]"), path) == (422, [["path", "id"]])


def test_a_folder_name_with_a_dash_fills_the_parameter_with_an_underscore(tmp_path: Path) -> None:
    source = "def GET(product_id: int): return product_id\n"
    assert answer(operation(tmp_path, source, "[product-id]"), "/7") == 7


def test_a_handler_need_not_take_its_parameters(tmp_path: Path) -> None:
    assert answer(operation(tmp_path, "def GET(): return 'ok'\n", "[a]/[...b]"), "/x/y/z") == "ok"


@pytest.mark.parametrize("future", ["", "from __future__ import annotations"])
@pytest.mark.parametrize("kind", ["def", "async def"])
@pytest.mark.parametrize(
    ("annotation", "value"),
    [
        ("", ["1", "2/3"]),
        (": list[str]", ["1", "2/3"]),
        (": tuple[str, ...]", ["1", "2/3"]),
        (": Sequence[str]", ["1", "2/3"]),
        (": list", ["1", "2/3"]),
        (": Rest", ["1", "2/3"]),
        (": Annotated[list[str], Path(description='where', min_length=2)]", ["1", "2/3"]),
        (": list[str] | None = None", ["1", "2/3"]),
    ],
)
def test_a_catch_all_is_a_list_of_segments(
    tmp_path: Path, future: str, kind: str, annotation: str, value: object
) -> None:
    source = f"""{future}
from typing import Annotated
from collections.abc import Sequence
from fastapi import Path
Rest = list[str]

{kind} GET(rest{annotation}): return rest
"""
    assert answer(operation(tmp_path, source, "f/[...rest]"), "/f/1/2%2F3") == value


def test_the_segments_of_a_catch_all_are_converted_one_by_one(tmp_path: Path) -> None:
    found = operation(tmp_path, "def GET(rest: list[int]): return rest\n", "f/[...rest]")
    assert answer(found, "/f/1/2") == [1, 2]
    assert answer(found, "/f/1/x") == (422, [["path", "rest", 1]])


def test_a_constraint_on_a_catch_all_is_one_on_the_list(tmp_path: Path) -> None:
    source = """
        from typing import Annotated
        from fastapi import Path
        def GET(rest: Annotated[list[str], Path(min_length=2)]): return rest
    """
    found = operation(tmp_path, source, "[...rest]")
    assert answer(found, "/abc/d") == ["abc", "d"]
    assert answer(found, "/abc") == (422, [["path", "rest"]])


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        ("rest", []),
        ("rest: list[str]", []),
        ("rest: list[str] | None = None", None),
        ("rest: tuple[str, ...] = ('x',)", ["x"]),
    ],
)
def test_an_absent_optional_catch_all_is_the_handlers_default_or_empty(
    tmp_path: Path, parameter: str, value: object
) -> None:
    found = operation(tmp_path, f"def GET({parameter}): return rest\n", "docs/[[...rest]]")
    assert answer(found, "/docs") == value
    assert answer(found, "/docs/a/b") == ["a", "b"]


def test_a_catch_all_mixes_with_what_fastapi_offers(tmp_path: Path) -> None:
    source = """
        from typing import Annotated
        from fastapi import Depends, Header

        def page(page: int = 1): return page

        Page = Annotated[int, Depends(page)]

        async def GET(request, lang, rest: list[str], page: Page, q: str = "-", x_token: str = Header("none")):
            return [request.method, lang, rest, page, q, x_token]
    """
    found = operation(tmp_path, source, "[lang]/[...rest]")
    assert answer(found, "/en/a/b?q=1&page=2", headers={"x-token": "t"}) == ["GET", "en", ["a", "b"], 2, "1", "t"]


@pytest.mark.parametrize("annotation", ["str", "int", "Annotated[str, 'x']", "UUID"])
def test_a_catch_all_annotated_as_one_value_is_an_error(tmp_path: Path, annotation: str) -> None:
    source = f"from typing import Annotated\nfrom uuid import UUID\ndef GET(rest: {annotation}): ...\n"
    message = refusal(tmp_path, source, "[...rest]")
    assert message.startswith("app/[...rest]/route.py:3: rest is annotated ")
    assert "write `rest: list[" in message


def test_openapi_shows_a_catch_all_as_text(tmp_path: Path) -> None:
    source = """
        from typing import Annotated
        from fastapi import Path
        def GET(rest: Annotated[list[int], Path(description="Where it is")]): ...
    """
    app = FastAPI()
    app.router.routes.append(operation(tmp_path, source, "files/[...rest]").api_route)
    (parameter,) = app.openapi()["paths"]["/files/{rest}"]["get"]["parameters"]
    assert parameter["in"] == "path"
    assert parameter["schema"]["type"] == "string"
    assert parameter["description"] == "Where it is"


def test_a_decorated_handler_is_called_through_its_decorator(tmp_path: Path) -> None:
    source = """
        import functools

        def shout(function):
            @functools.wraps(function)
            async def inner(*args, **kwargs):
                return (await function(*args, **kwargs)).upper()
            return inner

        @shout
        async def GET(request, rest): return "/".join(rest)
    """
    assert answer(operation(tmp_path, source, "[...rest]"), "/a/b") == "A/B"


@pytest.mark.parametrize("kind", ["def", "async def"])
def test_a_callable_object_can_be_a_handler(tmp_path: Path, kind: str) -> None:
    source = f"""
        class Reader:
            {kind} __call__(self, rest: list[str]): return rest

        GET = Reader()
    """
    assert answer(operation(tmp_path, source, "[...rest]"), "/a/b") == ["a", "b"]


# signatures that can't work


@pytest.mark.parametrize("parameters", ["*args", "**kwargs", "a, /", "request, *rest"])
def test_a_parameter_that_has_no_name_to_be_called_by_is_an_error(tmp_path: Path, parameters: str) -> None:
    message = refusal(tmp_path, f"\ndef GET({parameters}): ...\n")
    assert message.startswith("app/route.py:2: the parameter ")
    assert "functools.wraps" in message


def test_an_annotation_that_exists_only_for_type_checkers_is_an_error(tmp_path: Path) -> None:
    source = """from __future__ import annotations
from typing import TYPE_CHECKING
if TYPE_CHECKING:
    from decimal import Decimal

def GET(price: Decimal): ...
"""
    message = refusal(tmp_path, source)
    assert message.startswith("app/route.py:6: ")
    assert "'Decimal' is not defined" in message
    assert "TYPE_CHECKING" in message


@pytest.mark.parametrize(
    "source",
    [
        "class Odd: ...\ndef GET(x: Odd): ...\n",
        "class Odd: ...\ndef GET() -> Odd: ...\n",
        "from fastapi import Query\ndef GET(id: str = Query()): ...\n",
        "\ndef GET(id: list[str]): ...\n",
    ],
)
def test_a_signature_that_fastapi_refuses_is_an_error_with_its_line(tmp_path: Path, source: str) -> None:
    message = refusal(tmp_path, source, "[id]")
    assert message.startswith("app/[id]/route.py:2: FastAPI can't use the signature of GET: ")
    assert len(message) > len("app/[id]/route.py:2: FastAPI can't use the signature of GET: ")


def test_an_annotation_that_is_no_python_is_an_error(tmp_path: Path) -> None:
    assert "app/route.py:1: the signature can't be read: SyntaxError" in refusal(tmp_path, "def GET(x: 'a b'): ...\n")


# what is around


def test_around_wraps_every_request(tmp_path: Path) -> None:
    seen: list[str] = []

    def around(handler: Handler) -> Handler:
        async def run(request: Request) -> Response:
            seen.append(request.url.path)
            response = await handler(request)
            seen.append(str(response.status_code))
            return response

        return run

    module = load_one(tmp_path, "def GET(id): return id\n", "[id]")
    found = make_operation(module, "GET", around)
    assert answer(found, "/x") == "x"
    assert seen == ["/x", "200"]
    first, second = found.api_route.get_route_handler(), found.api_route.get_route_handler()
    assert first is not second
    assert seen == ["/x", "200"]


# declared inputs


def declared(project: Path, source: str, method: str = "GET") -> list[str]:
    head = (
        "from typing import Annotated\nfrom fastapi import *\nfrom fastapi.security import *\nfrom pydantic import *\n"
    )
    return [found.api for found in operation(project, head + source, "[id]", method).declared]


@pytest.mark.private_names
@pytest.mark.parametrize(
    ("source", "inputs"),
    [
        ("def GET(request: Request, id: str): ...", []),
        ("def GET(response: Response, tasks: BackgroundTasks): ...", []),
        ("def GET(page: int = 1): ...", ['query parameter "page"']),
        ("def GET(q: list[str] = Query([], alias='filter')): ...", ['query parameter "filter"']),
        ("def GET(x_token: str = Header()): ...", ['header "x-token"']),
        ("def GET(session: str = Cookie('')): ...", ['cookie "session"']),
        ("def GET(secret: str = Depends(APIKeyHeader(name='k'))): ...", ['security scheme "APIKeyHeader"']),
        (
            "def GET(token: str = Depends(OAuth2PasswordBearer('token'))): ...",
            ['security scheme "OAuth2PasswordBearer"'],
        ),
        (
            "def a(page: int): ...\ndef b(a=Depends(a), lang: str = Header('en')): ...\ndef GET(b=Depends(b)): ...",
            ['header "lang"', 'query parameter "page"'],
        ),
        ("def a(page: int): ...\ndef GET(page: int, a=Depends(a)): ...", ['query parameter "page"']),
        (
            "class F(BaseModel):\n    page: int = 1\n    order: str = Field('', alias='sort')\n"
            "def GET(f: Annotated[F, Query()]): ...",
            ['query parameter "page"', 'query parameter "sort"'],
        ),
        (
            "class H(BaseModel):\n    x_a: str = ''\ndef GET(h: Annotated[H, Header()]): ...",
            ['header "x-a"'],
        ),
    ],
)
def test_what_a_signature_asks_of_the_request_is_known(tmp_path: Path, source: str, inputs: list[str]) -> None:
    assert declared(tmp_path, source + "\n") == inputs


@pytest.mark.private_names
def test_bodies_and_forms_are_declared_inputs(tmp_path: Path) -> None:
    assert declared(tmp_path / "a", "def POST(changes: dict): ...\n", "POST") == ["request body"]
    assert declared(tmp_path / "b", "def POST(name: str = Form()): ...\n", "POST") == ['form field "name"']
    assert declared(tmp_path / "c", "def POST(file: UploadFile): ...\n", "POST") == ['form field "file"']


@pytest.mark.private_names
def test_a_declared_input_has_a_kind_and_a_name(tmp_path: Path) -> None:
    assert operation(tmp_path, "def GET(page: int = 1): ...\n").declared == (DeclaredInput("query", "page"),)


# names and texts


@pytest.mark.parametrize(
    ("method", "folder", "name", "path", "tags"),
    [
        ("GET", "products/[slug]", "get_products_by_slug", "/products/{slug}", ["products"]),
        ("POST", "", "post_root", "/", []),
        ("GET", "files/[...rest]", "get_files_by_rest", "/files/{rest}", ["files"]),
        ("GET", "docs/[[...path]]", "get_docs_by_path", "/docs/{path}", ["docs"]),
        ("DELETE", "(g)/a/[b]/c/[d]", "delete_a_by_b_c_by_d", "/a/{b}/c/{d}", ["a"]),
        ("GET", "rss.xml", "get_rss_xml", "/rss.xml", ["rss.xml"]),
        ("GET", "[product-id]", "get_by_product_id", "/{product_id}", []),
        ("PATCH", "[lang]/news", "patch_by_lang_news", "/{lang}/news", ["news"]),
        ("GET", "%7Bx%7D", "get_x", "/%7Bx%7D", ["{x}"]),
    ],
)
def test_an_operation_is_named_by_method_and_path(
    tmp_path: Path, method: str, folder: str, name: str, path: str, tags: list[str]
) -> None:
    route = operation(tmp_path, f"def {method}(): ...\n", folder, method).api_route
    assert (route.name, route.operation_id, route.unique_id) == (name, name, name)
    assert (route.path_format, route.methods, route.tags) == (path, {method}, tags)


def test_the_docstring_becomes_summary_and_description(tmp_path: Path) -> None:
    source = '''
        def GET(request):
            """One product.

            With its price.
            """
    '''
    route = operation(tmp_path, source, "[slug]").api_route
    assert route.summary == "One product."
    assert route.description == "One product.\n\nWith its price."


def test_without_a_docstring_the_summary_is_method_and_path(tmp_path: Path) -> None:
    route = operation(tmp_path, "def GET(request): ...\n", "products/[slug]").api_route
    assert (route.summary, route.description) == ("GET /products/{slug}", "")


def test_an_operation_knows_where_its_function_stands(tmp_path: Path) -> None:
    assert operation(tmp_path, "\n\ndef GET(): ...\n", "a").place == Place("app/a/route.py", 3)


@pytest.mark.parametrize(
    ("source", "streams"),
    [
        ("def GET(request): ...", False),
        ("async def GET(request): return []", False),
        ("def GET(request): yield 1", True),
        ("async def GET(): yield 1", True),
        ("async def GET(rest: list[str]): yield 1", True),
    ],
)
def test_a_generator_streams(tmp_path: Path, source: str, streams: bool) -> None:
    assert operation(tmp_path, source + "\n", "[...rest]").streams is streams


# Allow


@pytest.mark.parametrize(
    ("methods", "value"),
    [
        (["GET", "POST"], "GET, HEAD, OPTIONS, POST"),
        (["HEAD", "PUT"], "HEAD, OPTIONS, PUT"),
        ([], "OPTIONS"),
        (["OPTIONS", "GET", "HEAD"], "GET, HEAD, OPTIONS"),
    ],
)
def test_allow_lists_what_is_implemented_and_what_follows_from_it(methods: list[str], value: str) -> None:
    assert allow(methods) == value
