from __future__ import annotations

import asyncio
import socket
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from cli_project import ITEMS, address_in, call, spawn
from millpond import Millpond
from ponds import client_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cli_project import Done
    from ponds import Project

SECRET = "a secret of enough letters"

TAGGED = """\
from millpond import cached

revalidate = 3600


@cached(tags=["stock"])
async def count():
    return 7


async def GET():
    return await count()
"""


REST = """\
def GET(rest: list[str]):
    return rest
"""


class Shop:
    def __init__(self, project: Project, capsys: pytest.CaptureFixture[str], config: str = "") -> None:
        self.folder, self._capsys = project.folder, capsys
        project.routes({"/items/[id]": ITEMS, "/(main)/about/[[...rest]]": REST, "/": TAGGED})
        project.write({"millpond.toml": config})

    def call(self, *arguments: str) -> Done:
        return call(self.folder, self._capsys, *arguments, "--dir", str(self.folder))

    def revalidate(self, *arguments: str) -> Done:
        return self.call("revalidate", *arguments)

    def seen(self, path: str, *arguments: str) -> list[str]:
        """What the cache says to a request before the command, and to one after it, of one running server."""

        async def served() -> list[str]:
            pond = Millpond(self.folder / "app")
            pond.isolated = False  # as a server's process
            async with pond.lifespan(), client_of(pond) as client:
                before = await client.get(path)
                # In a thread of its own, since a command has an event loop of its own.
                assert (await asyncio.to_thread(self.revalidate, *arguments)).code == 0
                return [answer.headers["x-nextjs-cache"] for answer in (before, await client.get(path))]

        return asyncio.run(served())


@pytest.fixture
def shop(project: Project, capsys: pytest.CaptureFixture[str]) -> Shop:
    shop = Shop(project, capsys)
    assert shop.call("build").code == 0
    return shop


@pytest.mark.parametrize(
    ("path", "arguments", "then"),
    [
        ("/", ["--tag", "stock"], "MISS"),
        ("/", ["--tag", "other"], "HIT"),
        ("/", ["--tag", "other", "--tag", "stock"], "MISS"),
        ("/", ["--tag", "stock", "--profile", "max"], "STALE"),
        ("/", ["--tag", "stock", "--expire", "60"], "STALE"),
        ("/", ["--tag", "stock", "--expire", "0"], "MISS"),
        ("/items/1", ["--path", "/items/1"], "MISS"),
        ("/items/1", ["--path", "/items/2"], "HIT"),
        ("/items/1", ["--path", "/items/[id]"], "MISS"),
        ("/items/1", ["--path", "/", "--type", "layout"], "MISS"),
        ("/items/1", ["--path", "/items/1", "--profile", "max"], "STALE"),
        ("/items/1", ["--path", "/items/[id]", "--expire", "60"], "STALE"),
        ("/items/1", ["--path", "/items/1", "--tag", "other", "--profile", "max"], "STALE"),
    ],
)
def test_a_running_server_sees_it_at_its_next_request(shop: Shop, path: str, arguments: list[str], then: str) -> None:
    assert shop.seen(path, *arguments) == ["HIT", then]


def test_the_report_says_how_many_and_which_generation(shop: Shop) -> None:
    assert shop.revalidate("--tag", "stock").out == "1 tag invalidated; the generation is 1\n"
    both = shop.revalidate("--tag", "a", "--tag", "b", "--path", "/items/1")
    assert both.out == "2 tags and 1 path invalidated; the generation is 2\n"
    assert shop.revalidate("--path", "/items/1", "--json").facts == {
        "tags": 0,
        "paths": 1,
        "generation": 3,
        "warnings": [],
        "via": "lmdb",
        "where": str(shop.folder / ".millpond" / "cache"),
    }


def test_an_invalidation_before_the_first_start_concerns_the_build(shop: Shop) -> None:
    assert shop.revalidate("--path", "/items/1").code == 0

    async def first() -> str:
        pond = Millpond(shop.folder / "app")
        pond.isolated = False  # as a server's process
        async with pond.lifespan(), client_of(pond) as client:
            return (await client.get("/items/1")).headers["x-nextjs-cache"]

    assert asyncio.run(first()) == "MISS"


@pytest.mark.parametrize(
    ("arguments", "known"),
    [
        (["--path", "/items/7"], True),
        (["--path", "/items/7/"], True),
        (["--path", "/items/[id]"], True),
        (["--path", "/(main)/about/[[...rest]]"], True),
        (["--path", "/about/us/now"], True),
        (["--path", "/items"], False),
        (["--path", "/items", "--type", "layout"], True),
        (["--path", "/(main)", "--type", "layout"], True),
        (["--path", "/it", "--type", "layout"], False),
        (["--path", "/nothing"], False),
        (["--path", "/items/50%"], True),
        (["--path", "/items/[slug]"], False),
    ],
)
def test_a_path_that_no_route_has_is_a_warning(shop: Shop, arguments: list[str], known: bool) -> None:
    done = shop.revalidate(*arguments)
    assert done.code == 0
    assert ("warning: no route has the path" in done.err) is not known


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "name what to invalidate: --tag TAG or --path PATH."),
        (["--path", "items"], '"items" has no leading slash'),
        (["--tag", "a" * 257], "a tag of 257 characters is over 256"),
        (["--tag", "a", "--profile", "hour"], "hour"),
        (["--tag", "a", "--profile", "max", "--expire", "1"], "give a profile or expire, not both"),
        (["--tag", "a", "--expire", "-1"], "-1"),
        (["--path", "/", "--profile", "hour"], "hour"),
        (["--tag", "a", "--type", "page"], "--type is for paths"),
        (["--tag", "a", "--url", "pond:8000"], "it must look like http://127.0.0.1:8000"),
        (["--tag", "a", "--url", "http://127.0.0.1:1"], "the server needs a secret"),
        (["--tag", "a", "--url", "http://127.0.0.1:1", "--secret-env", "NOT_SET"], "NOT_SET isn't set"),
    ],
)
def test_what_makes_no_sense_is_refused_and_invalidates_nothing(shop: Shop, arguments: list[str], message: str) -> None:
    done = shop.revalidate(*arguments)
    assert done.code == 1
    assert message in done.err
    assert done.err.count("\n") == 1
    assert shop.revalidate("--tag", "first", "--json").facts["generation"] == 1


def test_with_the_cache_in_memory_the_way_is_through_the_server(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    done = Shop(project, capsys, '[cache]\nstore = "memory"\n').revalidate("--tag", "stock")
    assert done.code == 1
    assert "only [revalidate_endpoint] reaches it there. Give the server's URL: `millpond revalidate --url`" in done.err


@contextmanager
def serving(shop: Shop) -> Iterator[str]:
    assert shop.call("build").code == 0
    process = spawn("start", "--dir", str(shop.folder), "--port", "0")
    try:
        yield address_in(process)
    finally:
        process.terminate()
        process.communicate(timeout=15)


def test_through_a_servers_endpoint_every_answer_is_readable(
    project: Project, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    config = """\
    base_path = "/shop"

    [cache]
    store = "memory"

    [revalidate_endpoint]
    path = "/hook"
    secret_env = "POND_SECRET"
    per_minute = 1
    """
    shop = Shop(project, capsys, config)
    monkeypatch.setenv("POND_SECRET", SECRET)
    with serving(shop) as address:
        monkeypatch.setenv("ANOTHER", "the wrong one")
        asked: list[tuple[list[str], str]] = [
            (["--url", address], '"generation": 1'),
            (["--url", f"{address}/"], '"generation": 2'),
            (["--url", f"{address}/shop/hook"], '"generation": 3'),
            (["--url", address, "--secret-env", "ANOTHER"], "answered 401: the secret isn't the server's."),
            (
                ["--url", address, "--secret-env", "ANOTHER"],
                "answered 429: too many calls with a wrong secret",
            ),
            (["--url", address], '"generation": 4'),
            (["--url", f"{address}/shop/other"], "answered 404: there is no endpoint"),
        ]
        done = [shop.revalidate("--tag", "stock", "--json", *arguments) for arguments, _ in asked]
    assert [one.code for one in done] == [0, 0, 0, 1, 1, 0, 1]
    for (_, said), one in zip(asked, done, strict=True):
        assert said in one.out


def test_a_server_that_isnt_there_is_one_line(
    project: Project, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POND_SECRET", SECRET)
    shop = Shop(project, capsys, '[revalidate_endpoint]\nsecret_env = "POND_SECRET"\n')
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{nobody.getsockname()[1]}"
        done = shop.revalidate("--tag", "stock", "--url", address)
    assert done.code == 1
    assert done.err.startswith(f"error: {address}/api/revalidate can't be reached: ")
    assert done.err.count("\n") == 1
