from __future__ import annotations

import hashlib
import inspect
from typing import TYPE_CHECKING

import pytest
from routes_project import load_one

from millpond.errors import Place, RouteModuleError
from millpond.policy.segment import Dynamic, FetchCache, SegmentConfig
from millpond.routes.module import load
from millpond.routes.scan import scan

if TYPE_CHECKING:
    from pathlib import Path


def refusal(project: Path, source: str) -> str:
    with pytest.raises(RouteModuleError) as caught:
        load_one(project, source, "x")
    return str(caught.value)


def test_methods_are_found_in_upper_case_only(tmp_path: Path) -> None:
    module = load_one(tmp_path, "def GET(): ...\nasync def POST(): ...\ndef QUERY(): ...\ndef put(): ...\n")
    assert list(module.functions) == ["GET", "POST", "QUERY"]
    assert inspect.iscoroutinefunction(module.functions["POST"])


def test_a_method_may_be_imported_or_be_any_callable_object(tmp_path: Path) -> None:
    source = """
        from functools import partial
        from json import dumps as GET

        def answer(x): ...

        POST = partial(answer, 1)
    """
    module = load_one(tmp_path, source)
    assert list(module.functions) == ["GET", "POST"]
    assert module.place("GET") == Place("app/route.py", 3)


def test_a_query_that_is_a_text_is_a_variable_of_the_authors(tmp_path: Path) -> None:
    source = 'QUERY = "SELECT name FROM items"\nasync def GET(): return QUERY\n'
    assert set(load_one(tmp_path, source).functions) == {"GET"}


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ("GET = 1\n", "app/x/route.py:1: GET is a value of type int; make it a function."),
        ("\nclass GET: ...\n", "app/x/route.py:2: GET is a class; make it a function."),
        ("POST = None\n", "app/x/route.py:1: POST is a value of type NoneType; make it a function."),
    ],
)
def test_a_method_that_is_no_function_is_an_error_with_its_line(tmp_path: Path, source: str, problem: str) -> None:
    assert refusal(tmp_path, source) == problem


def test_the_config_is_read_from_the_module(tmp_path: Path) -> None:
    source = """
        dynamic = "force-static"
        revalidate: int = 60
        fetch_cache = "only-cache"
        dynamic_params = False
        max_duration = 30
        other = object()

        def GET(): ...
    """
    assert load_one(tmp_path, source).config == SegmentConfig(
        Dynamic.FORCE_STATIC, 60, FetchCache.ONLY_CACHE, dynamic_params=False, max_duration=30
    )


def test_a_config_may_be_computed_or_imported(tmp_path: Path) -> None:
    (tmp_path / "lifetimes_for_config.py").write_text("revalidate = 60 * 10\n")
    module = load_one(tmp_path, "from lifetimes_for_config import revalidate\ndef GET(): ...\n")
    assert module.config.revalidate == 600
    assert module.place("revalidate").line == 1


def test_all_bad_options_of_a_file_are_one_message(tmp_path: Path) -> None:
    source = """
        dynamic = "force-fast"
        revalidate = "60"
        max_duration = 30
        dynamic_params = 0

        def GET(): ...
    """
    dynamic, revalidate, dynamic_params = refusal(tmp_path, source).splitlines()
    assert dynamic.startswith("app/x/route.py:2: dynamic = 'force-fast' is not allowed")
    assert '"auto", "force-dynamic", "force-static" or "error"' in dynamic
    assert revalidate.startswith("app/x/route.py:3: revalidate = '60' is not allowed")
    assert dynamic_params.startswith(
        "app/x/route.py:5: dynamic_params = 0 is not allowed; dynamic_params takes True or"
    )


@pytest.mark.parametrize("value", ["1.5", "-1", "'60'", "True", "None", "float('inf')"])
def test_a_bad_lifetime_is_refused(tmp_path: Path, value: str) -> None:
    assert "app/x/route.py:1: revalidate = " in refusal(tmp_path, f"revalidate = {value}\ndef GET(): ...\n")


def test_generate_static_params_is_found(tmp_path: Path) -> None:
    module = load_one(tmp_path, "def generate_static_params(): return [1]\ndef GET(): ...\n")
    assert module.generate_static_params is not None
    assert module.generate_static_params() == [1]


def test_a_file_without_generate_static_params_has_none(tmp_path: Path) -> None:
    assert load_one(tmp_path, "def GET(): ...\n").generate_static_params is None


def test_generate_static_params_must_be_a_function(tmp_path: Path) -> None:
    source = "def GET(): ...\n\ngenerate_static_params = [{'id': '1'}]\n"
    assert refusal(tmp_path, source) == (
        "app/x/route.py:3: generate_static_params is a value of type list; make it a function."
    )


def test_a_syntax_error_shows_the_line(tmp_path: Path) -> None:
    message = refusal(tmp_path, "x = 1\n\ndef GET(:\n    pass\n")
    assert message.startswith("app/x/route.py:3: invalid syntax")
    assert "def GET(:" in message


@pytest.mark.parametrize("source", ["def GET():\npass\n", "x = 1\0\n", "await x\n"])
def test_every_kind_of_syntax_error_names_the_file(tmp_path: Path, source: str) -> None:
    message = refusal(tmp_path, source)
    assert message.startswith("app/x/route.py")
    assert "invalid syntax" in message


def test_a_file_that_is_not_utf_8_is_a_syntax_error(tmp_path: Path) -> None:
    (tmp_path / "app").mkdir()
    (tmp_path / "app/route.py").write_bytes(b"x = '\xff'\n")
    (file,) = scan(tmp_path / "app", tmp_path)
    with pytest.raises(RouteModuleError, match=r"app/route\.py"):
        load(file, tmp_path, tmp_path / "app")


def test_a_file_that_vanished_is_an_error(tmp_path: Path) -> None:
    module = load_one(tmp_path, "def GET(): ...\n")
    module.file.path.unlink()
    with pytest.raises(RouteModuleError, match=r"app/route\.py can't be read"):
        load(module.file, tmp_path, tmp_path / "app")


def test_lines_are_those_of_the_last_definition(tmp_path: Path) -> None:
    source = """
        import os

        revalidate = 1
        if os.name:
            revalidate = 60
        else:
            revalidate = 70

        @staticmethod
        def GET(): ...

        PUT = POST = GET
        helper = 1
    """
    module = load_one(tmp_path, source)
    assert module.lines == {"revalidate": 8, "GET": 11, "PUT": 13, "POST": 13}
    assert str(module.place("GET")) == "app/route.py:11"


def test_a_name_that_the_source_does_not_show_has_only_a_file(tmp_path: Path) -> None:
    module = load_one(tmp_path, "globals()['GET'] = lambda: 1\n")
    assert list(module.functions) == ["GET"]
    assert str(module.place("GET")) == "app/route.py"


def test_the_digest_is_that_of_the_source(tmp_path: Path) -> None:
    module = load_one(tmp_path, "def GET(): ...\n")
    assert module.digest == hashlib.sha256(b"def GET(): ...\n").hexdigest()
