"""What can't be cached, and what a cached function may not do: each an error that says where (R5.20, R5.24, R5.32)."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import pytest

from millpond import cached
from millpond.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from ponds import Project


class Shop:
    def price(self) -> int:
        return 1

    @staticmethod
    def tax() -> int:
        return 1


def rows() -> Iterator[int]:
    yield 1


async def events() -> AsyncIterator[int]:
    yield 1


@pytest.mark.parametrize(
    ("what", "message"),
    [
        (Shop.__dict__["tax"], "write @staticmethod above @cached"),
        (rows, "a generator can't be cached; return a list"),
        (events, "a generator can't be cached; return a list"),
        (Shop().price, "takes a function, not method"),
        (functools.partial(rows), "takes a function, not partial: write @cached above a def, which may call it"),
        (Shop, "takes a function, not type"),
        (len, "takes a function, not builtin_function_or_method"),
        (5, "takes a function, not int"),
    ],
)
def test_what_is_no_plain_function_is_refused(what: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        cached(what)


def test_the_refusal_names_file_and_line() -> None:
    with pytest.raises(
        UsageError, match=rf"test_cache_functions_refused\.py:{rows.__code__.co_firstlineno}: @cached rows"
    ):
        cached(rows)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"revalidate": 0}, "revalidate = 0 caches nothing"),
        ({"revalidate": -1}, "is not a valid age"),
        ({"revalidate": "10"}, "is not a valid age"),
        ({"revalidate": True}, "is not a valid age"),
        ({"revalidate": float("nan")}, "is not a valid age"),
        ({"revalidate": 10, "life": "hours"}, "give revalidate or life, not both"),
    ],
)
def test_options_that_make_no_sense_are_refused_where_they_are_given(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        cached(**options)(lambda: 1)


def test_a_bad_tag_is_left_out_with_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    cached(tags=["x" * 300])(lambda: 1)
    assert "over 256" in caplog.text


# Inside of a cached function

USING = """
from millpond import Request, after, cache_life, cached, connection, cookies, draft_mode, headers
from millpond import revalidate_path, revalidate_tag, update_tag
dynamic = "force-dynamic"
request = None

@cached
def value():
    try:
        {use}
    except Exception:
        if not SWALLOWS: raise
    return 1

SWALLOWS = False
def GET(): return value()
"""
USES = {
    'headers()["x"]': "headers()",
    "cookies()": "cookies()",
    "connection()": "connection()",
    "draft_mode().enable()": "draft_mode().enable()",
    'revalidate_tag("t")': "revalidate_tag()",
    'revalidate_path("/")': "revalidate_path()",
    'update_tag("t")': "update_tag()",
    "after(print)": "after()",
}


@pytest.mark.anyio
@pytest.mark.parametrize("swallows", [False, True], ids=["raised", "swallowed"])
@pytest.mark.parametrize("use", USES)
async def test_what_belongs_to_one_request_is_refused_with_file_and_line(
    project: Project, caplog: pytest.LogCaptureFixture, use: str, swallows: bool
) -> None:
    project.routes({"/": USING.format(use=use)})
    async with project.started() as running:
        running.module("/").SWALLOWS = swallows
        assert (await running.get("/")).status_code == 500
    assert f"app/route.py:10: {USES[use]} inside of the cached function value()" in caplog.text


@pytest.mark.anyio
async def test_whether_a_draft_is_shown_may_be_asked(project: Project) -> None:
    project.routes({"/": USING.format(use="draft_mode().is_enabled")})
    async with project.started() as running:
        assert (await running.get("/")).status_code == 200


@pytest.mark.anyio
async def test_a_build_fails_where_a_cached_function_reads_the_request(project: Project) -> None:
    project.routes({"/": USING.format(use="headers()").replace('"force-dynamic"', '"force-static"')})
    (failure,) = await project.failures()
    assert "app/route.py:10: headers() inside of the cached function value()" in failure


@pytest.mark.anyio
async def test_an_argument_that_is_no_data_fails_the_call_and_names_it(
    project: Project, caplog: pytest.LogCaptureFixture
) -> None:
    project.routes(
        {
            "/": """
            from millpond import Request, cached
            @cached
            def value(request): return 1
            def GET(request: Request): return value(request)
            """
        }
    )
    async with project.started() as running:
        assert (await running.get("/")).status_code == 500
    assert '@cached value(): the argument "request" is of type' in caplog.text


@pytest.mark.anyio
async def test_an_unknown_lifetime_is_refused_at_the_call_with_a_hint(
    project: Project, caplog: pytest.LogCaptureFixture
) -> None:
    project.routes(
        {
            "/": """
            from millpond import cached
            @cached(life="hour")
            def value(): return 1
            def GET(): return value()
            """
        }
    )
    async with project.started() as running:
        assert (await running.get("/")).status_code == 500
    assert '@cached value(): there is no lifetime "hour"; did you mean "hours"?' in caplog.text
