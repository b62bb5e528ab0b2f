"""revalidate_path: what a text means with the routes that there are, values by name, and path_of (R6.12; D24)."""

from __future__ import annotations

import difflib
import importlib
import uuid
from contextlib import asynccontextmanager
from datetime import date
from enum import Enum
from typing import TYPE_CHECKING, Any

import pytest

from millpond import path_of, revalidate_path, static
from millpond.cache.invalidation_order import Invalidation
from millpond.errors import UsageError
from millpond.routes.naming.route_names import NamedRoute, RouteNames
from ponds import Running, client_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from ponds import Project

pytestmark = pytest.mark.anyio

PAGE = """
revalidate = 1_000_000
def generate_static_params(): return []
def GET(): return 1
"""
HOSTILE = ["50%", "a?b", "a#b", "x[1]", "(main)", "a/b", "münchen", "two words", "100%25", "a&b=c;d", "[x", "x{y}", "+"]
PLAIN = ["50%", "x[1]", "(main)", "münchen", "two words", "a&b=c;d", "[x", "x{y}", "+", "%zz", "100%"]


@asynccontextmanager
async def serving(project: Project, **config: Any) -> AsyncIterator[Running]:
    project.routes(dict.fromkeys(["/p/[slug]", "/(main)/about", "/docs/[[...path]]", "/x/[a]/[b-c]", "/p"], PAGE))
    pond = project.pond(**config)

    @pond.get("/e/{slug}")
    @static()
    def e(slug: str) -> str:
        return slug

    @pond.get("/n/{number:int}")
    @static()
    def n(number: int) -> int:
        return number

    @pond.get("/f/{rest:path}")
    @static()
    def f(rest: str) -> str:
        return rest

    async with pond.lifespan(), client_of(pond) as client:
        yield Running(pond, client)


async def kept(running: Running, *paths: str) -> None:
    for path in paths:
        assert (await running.cache(path), await running.cache(path)) == ("MISS", "HIT"), path


async def gone(running: Running, *paths: str) -> bool:
    return [await running.cache(path) for path in paths] == ["MISS"] * len(paths)


async def test_a_value_by_name_means_its_path_whatever_is_in_it(
    project: Project, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(project) as running:
        await kept(running, "/p/other")
        caplog.clear()
        for slug in HOSTILE:
            path = path_of("/p/[slug]", slug=slug)
            await kept(running, path)
            assert revalidate_path("/p/[slug]", slug=slug).tags == 1
            assert await gone(running, path)
            assert revalidate_path(path).tags == 1
            assert await gone(running, path)
        assert (caplog.text, await running.cache("/p/other")) == ("", "HIT")


async def test_a_decoded_value_in_a_path_is_that_value(project: Project, caplog: pytest.LogCaptureFixture) -> None:
    async with serving(project) as running:
        caplog.clear()
        for slug in PLAIN:
            for prefix in ("/p", "/e"):
                path = path_of(f"{prefix}/[slug]", slug=slug)
                await kept(running, path)
                assert revalidate_path(f"{prefix}/{slug}").tags == 1
                assert await gone(running, path), path
        assert caplog.text == ""


async def test_a_value_that_looks_encoded_means_both(project: Project) -> None:
    async with serving(project) as running:
        await kept(running, "/p/100%25", "/p/100%2525")
        revalidate_path("/p/100%25")
        assert await gone(running, "/p/100%25", "/p/100%2525")


async def test_a_value_with_slashes_is_taken_for_the_only_parameter_that_can_have_it(
    project: Project, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(project) as running:
        await kept(running, "/p/a%2Fb%20c", "/x/1/2%2F3")
        revalidate_path("/p/a/b c")
        assert await gone(running, "/p/a%2Fb%20c")
        assert 'write revalidate_path("/p/[slug]", slug=…)' in caplog.text
        caplog.clear()
        revalidate_path("/x/1/2/3")  # of two parameters either may have it
        assert await running.cache("/x/1/2%2F3") == "HIT"
        assert 'no route has the path "/x/1/2/3"; did you mean "/x/[a]/[b-c]"?' in caplog.text


ODD = [
    ("/p/a?page=1", "/p/a", '"/p/a" alone means every query; if it is part of a value, write revalidate_path('),
    ("/p/a#top", "/p/a", "has a query or a fragment, which is left out"),
    ("https://shop.example/p/a?page=1", "/p/a", 'is a whole URL; only its path counts: write "/p/a"'),
    ("http://[/p/a", "/p/a", "is a whole URL"),
    ("/p/[id]", None, 'no route has the path "/p/[id]"; did you mean "/p/[slug]"?'),
    ("/p/{id}", None, 'did you mean "/p/[slug]"?'),
    ("/e/{name}", None, 'did you mean "/e/[slug]"?'),
    ("/n/abc", None, 'did you mean "/n/[number]"?'),
    ("/abuot", None, 'did you mean "/about"?'),
    ("/p/..", None, 'no route has the path "/p/.."'),
    ("/p/../p/a", None, 'no route has the path "/p/../p/a"; did you mean'),
    ("/P/a/b", None, 'did you mean "/p/[slug]"?'),
    ("/p/a\n\x1b", None, None),
    ("/ab\nout", None, r'"/ab\nout"'),
    ("/p/\ud800", None, "no path can be"),
    ("/p/\0", None, "no path can be"),
    ("/%FF", None, 'no route has the path "/%FF"'),
]


async def test_what_is_odd_warns_and_reaches_what_it_can_mean(
    project: Project, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(project) as running:
        await kept(running, "/p/a", "/p/b")
        for path, reached, warning in ODD:
            caplog.clear()
            revalidate_path(path)
            assert [await running.cache(each) for each in ("/p/a", "/p/b")] == ["MISS" if reached else "HIT", "HIT"]
            assert (warning or "") in caplog.text
            assert bool(caplog.records) is (warning is not None)


async def test_a_path_with_the_base_path_is_that_below_it_and_warns(
    project: Project, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(project, base_path="/site") as running:
        for path in ("/site/p/a", "https://shop.example/site/p/a"):
            await kept(running, "/site/p/a")
            caplog.clear()
            revalidate_path(path)
            assert await gone(running, "/site/p/a")
            assert 'write "/p/a"' in caplog.text
            revalidate_path("/p/a")
        await kept(running, "/site/p/a%2Fb")
        caplog.clear()
        revalidate_path("/site/p/[slug]", slug="a/b")
        assert await gone(running, "/site/p/a%2Fb")
        assert 'write "/p/[slug]"' in caplog.text


PATHS: list[tuple[str, dict[str, Any], str]] = [
    ("/docs/[[...path]]", {"path": ["a", "b c", "d/e"]}, "/docs/a/b%20c/d%2Fe"),
    ("/docs/[[...path]]", {"path": []}, "/docs"),
    ("/docs/[...path]", {"path": ("a",)}, "/docs/a"),
    ("/x/[a]/[b-c]", {"a": 1, "b_c": "é"}, "/x/1/%C3%A9"),
    ("/x/{a}/{b_c}", {"a": "1", "b-c": "2"}, "/x/1/2"),
    ("/e/{slug}", {"slug": "50%"}, "/e/50%25"),
    ("/n/{number}", {"number": 7}, "/n/7"),
    ("/f/{rest:path}", {"rest": "a/b c"}, "/f/a/b%20c"),
    ("/f/{rest:path}", {"rest": ["a", "b"]}, "/f/a/b"),
    ("/(main)/about", {}, "/about"),
]


async def test_the_path_of_a_route_is_what_a_request_has_and_what_is_invalidated(
    project: Project, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(project) as running:
        caplog.clear()
        for pattern, params, path in PATHS:
            assert path_of(pattern, **params) == path
            await running.get(path)
            assert await running.cache(path) == "HIT"
            revalidate_path(pattern, **params)
            assert await gone(running, path)
        assert caplog.text == ""


async def test_values_by_name_may_mean_everything_below(project: Project) -> None:
    async with serving(project) as running:
        await kept(running, "/docs/a%20b", "/docs/a%20b/c", "/docs/d")
        revalidate_path("/docs/[[...path]]", "layout", path=["a b"])
        assert await gone(running, "/docs/a%20b", "/docs/a%20b/c")
        assert await running.cache("/docs/d") == "HIT"


class Size(Enum):
    SMALL = "small"


def test_values_are_what_paths_have() -> None:
    number = uuid.UUID(int=5)
    assert path_of("/[a]", a=date(2026, 1, 2)) == "/2026-01-02"
    assert path_of("/[a]", a=number) == f"/{number}"
    assert path_of("/[a]", a=Size.SMALL) == "/small"
    assert path_of("/[a]/[class]", a=1.5, class_="x") == "/1.5/x"
    assert path_of("/caf%C3%A9/é") == "/caf%C3%A9/%C3%A9"
    assert path_of("/in/{a}-{b}.json", a="1", b="2/3") == "/in/1-2%2F3.json"


WRONG: list[tuple[str, dict[str, Any], str]] = [
    ("/p/[slug]", {}, 'has the parameter "slug", which has no value: write slug=…'),
    ("/p/[slug]", {"slog": "a"}, 'has the parameter "slug", which has no value: write slug=… in place of slog=….'),
    ("/p/[slug1]/[slug2]", {"slug2": "a"}, 'has the parameter "slug1", which has no value: write slug1=….'),
    ("/p/[slug]", {"slug": "a", "slog": "b"}, 'has no parameter "slog"; did you mean "slug"?'),
    ("/p", {"slug": "a"}, '/p has no parameter "slug"'),
    ("/p/[slug]", {"slug": None}, 'None is no value for "slug"'),
    ("/p/[slug]", {"slug": True}, "a value of type bool is no value"),
    ("/p/[slug]", {"slug": ["a"]}, "a value of type list is no value"),
    ("/p/[slug]", {"slug": b"a"}, "a value of type bytes"),
    ("/p/[...slug]", {"slug": "a"}, "a catch-all takes a list"),
    ("p/[slug]", {"slug": "a"}, "no leading slash"),
]


async def test_values_that_arent_those_of_the_parameters_are_refused(project: Project) -> None:
    async with serving(project):
        for pattern, params, message in WRONG:
            with pytest.raises(UsageError) as raised:
                path_of(pattern, **params)
            assert message in str(raised.value)
            if params:
                with pytest.raises(UsageError) as raised:
                    revalidate_path(pattern, **params)
                assert str(raised.value).startswith("revalidate_path(): ")


async def test_a_value_that_no_path_has_warns_and_is_no_error(
    project: Project, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(project) as running:
        before = running.pond.store.generation()
        for slug in ["", ".", "..", "a\0b", "\ud800", "x" * 2000]:
            caplog.clear()
            assert revalidate_path("/p/[slug]", slug=slug) == Invalidation(0, before)
            assert "it is ignored" in caplog.text
            if len(slug) < 1000:
                with pytest.raises(UsageError, match=r"path_of\(\): "):
                    path_of("/p/[slug]", slug=slug)


def test_the_nearest_route_is_found_among_many_without_much_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """A visitor may have sent the path: the work for a warning must not hold up the event loop."""
    compared: list[object] = []
    ratio = difflib.SequenceMatcher.ratio

    def counted(matcher: difflib.SequenceMatcher[str]) -> float:
        compared.append(matcher)
        return ratio(matcher)

    monkeypatch.setattr(difflib.SequenceMatcher, "ratio", counted)
    routes = [
        NamedRoute((f"/shop/section-{number}/of-{number}/[id]",), "", None, lambda _: False) for number in range(2000)
    ]
    names = RouteNames(lambda: [*routes, NamedRoute(("/Straße/[x]",), "", None, lambda _: False)])
    for text, nearest in [
        ("/shop/section-1999/fo-1999/7", "/shop/section-1999/of-1999/[id]"),
        ("/shpo/section-7/of-7/7", "/shop/section-7/of-7/[id]"),
        ("/STRASSE/7", "/Straße/[x]"),
        ("/" + "/".join(["section-1-of-what"] * 40), None),
        ("/" + "/".join(["abcdefgh" * 10] * 12), None),
    ]:
        assert names.nearest(text) == nearest
    assert len(compared) < 9000, len(compared)


CALLS = [
    "revalidate_path(7)",
    'revalidate_path("/p/[slug]", slag=1)',
    'revalidate_path("p")',
    'revalidate_tag("t", "x")',
]


@pytest.mark.parametrize("call", CALLS)
async def test_a_wrong_call_is_refused_with_its_place(
    project: Project, call: str, caplog: pytest.LogCaptureFixture
) -> None:
    project.write(
        {
            "app/wrong/route.py": f"from millpond import *\ndef POST():\n    {call}\n",
            "lib/calls.py": f"from millpond import *\ndef declared():\n    {call}\n",
        }
    )
    async with project.started() as running:
        with pytest.MonkeyPatch.context() as only:
            only.chdir(project.folder)
            only.syspath_prepend(project.folder)
            running.pond.post("/declared")(importlib.import_module("lib.calls").declared)
            for path, place in (("/wrong", "app/wrong/route.py:3: rev"), ("/declared", "lib/calls.py:3: rev")):
                caplog.clear()
                assert (await running.post(path)).status_code == 500
                assert f"UsageError: {place}" in caplog.text
