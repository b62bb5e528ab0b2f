"""Invalidation of one host's answers, or of all hosts': by tag, by path, from outside; with all stores."""

from __future__ import annotations

from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from engines import Engine
from millpond import Millpond, revalidate_path, revalidate_tag, update_tag
from millpond.config import parse_config
from millpond.errors import UsageError
from millpond.policy.tags import LONGEST_NAME, host_tag, kept_tag, of_host, path_tag
from millpond.stores.lmdb.store import LmdbStore
from millpond.stores.memory import MemoryStore
from millpond.stores.valkey.store import ValkeyStore
from ponds import Running, cache_of, client_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from millpond.stores.contract import Store
    from ponds import Project

pytestmark = pytest.mark.anyio

PAGE = """
from millpond import cached, response_tags

cache_host = True
revalidate = 3600
RUNS = []


@cached(tags=["rows"], revalidate=3600)
def rows():
    RUNS.append(1)
    return len(RUNS)


def generate_static_params():
    return []


async def GET(request, slug: str):
    response_tags("pages")
    return {"host": request.url.hostname, "rows": rows()}
"""
HOSTS = ("a.example", "b.example")


@contextmanager
def store_of(kind: str, project: Project) -> Iterator[Store]:
    if kind == "memory":
        yield MemoryStore(max_bytes=2**20, clock=project.clock)
    elif kind == "lmdb":
        yield LmdbStore(project.folder / "store", max_bytes=2**22, clock=project.clock)
    else:
        with Engine() as engine:
            yield ValkeyStore(engine.address, prefix="hosts", max_bytes=2**22, clock=project.clock, build="b")


@asynccontextmanager
async def serving(project: Project, kind: str = "memory", **said: Any) -> AsyncIterator[Running]:
    project.routes({"/p/[slug]": PAGE})
    config = parse_config({**project.config, **said, "cache": {"store": "memory"}}, "millpond.toml")
    with store_of(kind, project) as store:
        pond = Millpond(project.folder / "app", config=config, store=store, clock=project.clock)
        async with pond.lifespan(), client_of(pond) as client:
            yield Running(pond, client)


async def states(running: Running, slug: str = "1") -> list[str | None]:
    return [await running.cache(f"/p/{slug}", headers={"host": host}) for host in HOSTS]


async def filled(running: Running, slug: str = "1") -> None:
    await states(running, slug)
    assert await states(running, slug) == ["HIT", "HIT"]


ONE_HOST: dict[str, Callable[[], object]] = {
    "tag": lambda: revalidate_tag("pages", host="a.example"),
    "tag of data": lambda: revalidate_tag("rows", host="A.example.:443"),
    "update": lambda: update_tag("pages", host="a.example"),
    "path": lambda: revalidate_path("/p/1", host="a.example"),
    "pattern": lambda: revalidate_path("/p/[slug]", host="a.example"),
    "values": lambda: revalidate_path("/p/[slug]", slug="1", host="a.example"),
    "layout": lambda: revalidate_path("/", "layout", host="a.example"),
}
ALL_HOSTS: dict[str, Callable[[], object]] = {
    "tag": lambda: revalidate_tag("pages"),
    "path": lambda: revalidate_path("/p/1"),
    "layout": lambda: revalidate_path("/", "layout"),
}


@pytest.mark.parametrize("store", ["memory", "lmdb", "valkey"])
async def test_one_host_is_invalidated_or_all(project: Project, store: str) -> None:
    async with serving(project, store) as running:
        for name, call in ONE_HOST.items():
            await filled(running)
            call()
            assert await states(running) == ["MISS", "HIT"], name
        for name, call in ALL_HOSTS.items():
            await filled(running)
            call()
            assert await states(running) == ["MISS", "MISS"], name


async def test_a_soft_invalidation_of_one_host_serves_stale_there_alone(project: Project) -> None:
    async with serving(project) as running:
        await filled(running)
        revalidate_tag("pages", "max", host="a.example")
        assert await states(running) == ["STALE", "HIT"]
        await running.settle()
        assert await states(running) == ["HIT", "HIT"]


async def test_a_long_path_of_one_host_is_found(project: Project) -> None:
    slug = "x" * (2 * LONGEST_NAME)
    async with serving(project) as running:
        await filled(running, slug)
        revalidate_path(f"/p/{slug}", host="b.example")
        assert await states(running, slug) == ["HIT", "MISS"]


async def test_the_data_of_one_hosts_answer_is_read_anew_with_it(project: Project) -> None:
    async with serving(project) as running:
        await filled(running)
        revalidate_tag("rows", host="a.example")
        told = [(await running.get("/p/1", headers={"host": host})).json()["rows"] for host in HOSTS]
        assert told == [2, 1]  # data has no host: whoever renders next uses the new one
        revalidate_path("/p/1", host="b.example")
        assert (await running.get("/p/1", headers={"host": "b.example"})).json()["rows"] == 3


async def test_another_hosts_invalidation_leaves_the_data(project: Project) -> None:
    async with serving(project) as running:
        await filled(running)
        revalidate_tag("rows", host="c.example")
        revalidate_path("/p/1", host="b.example")
        assert (await running.get("/p/1", headers={"host": "b.example"})).json()["rows"] == 2


async def test_a_parameter_that_is_called_host_stays_one(project: Project) -> None:
    project.routes({"/sites/[host]": "revalidate = 60\ndef GET(host: str):\n    return host\n"})
    async with serving(project) as running:
        for _ in range(2):
            states = [cache_of(await running.get(f"/sites/{host}")) for host in HOSTS]
        assert states == ["HIT", "HIT"]
        revalidate_path("/sites/[host]", host="a.example")
        assert [cache_of(await running.get(f"/sites/{host}")) for host in HOSTS] == ["MISS", "HIT"]


@pytest.mark.parametrize("host", ["", "a b", "http://a.example", 7, "x" * 500])
async def test_what_is_no_host_is_refused(project: Project, host: Any) -> None:
    async with serving(project):
        calls: list[Callable[[], object]] = [
            lambda: revalidate_tag("t", host=host),
            lambda: update_tag("t", host=host),
            lambda: revalidate_path("/p/1", host=host),
        ]
        for call in calls:
            with pytest.raises(UsageError, match=r'is no host; give a name such as "a\.example"'):
                call()


async def test_the_endpoint_takes_a_host(project: Project) -> None:
    said: dict[str, Any] = {"revalidate_endpoint": {"secret": "a long enough secret"}}
    async with serving(project, **said) as running:
        [endpoint], headers = running.pond.config.revalidate_endpoint, {"authorization": "Bearer a long enough secret"}
        for order in ({"tags": ["pages"]}, {"paths": ["/p/1"]}, {"paths": ["/p"], "type": "layout"}):
            await filled(running)
            body = {**order, "host": "b.example"}
            answer = await running.client.post(endpoint.path, json=body, headers=headers)
            assert answer.status_code == 200
            assert await states(running) == ["HIT", "MISS"], order
        answer = await running.client.post(endpoint.path, json={"tags": ["t"], "host": "no host"}, headers=headers)
        assert (answer.status_code, "is no host" in answer.json()["error"]) == (400, True)


async def test_own_fetches_have_the_host_that_they_name(project: Project) -> None:
    """Also kept ones: the host is part of what tells two fetches apart."""
    project.routes({
        "/asks": """
        from millpond import fetch

        cache_host = True
        revalidate = 60


        async def GET(request):
            host = request.url.hostname
            kept = await fetch("/p/1", headers={"host": host}, cache="force-cache")
            live = await fetch("/p/1", headers={"host": host})
            bare = await fetch("/p/1")
            return [kept.json()["host"], live.json()["host"], bare.json()["host"]]
        """
    })  # fmt: skip
    async with serving(project) as running:
        for host in HOSTS:
            told = (await running.get("/asks", headers={"host": host})).json()
            assert told == [host, host, "localhost"]
        revalidate_path("/p/1", host="a.example")
        assert [await running.cache("/asks", headers={"host": host}) for host in HOSTS] == ["MISS", "HIT"]


def test_a_hosts_tag_is_stored_by_its_stored_form() -> None:
    long = path_tag("/" + "x" * 100)
    assert kept_tag(host_tag("a.example", long)) == kept_tag(host_tag("a.example", kept_tag(long)))
    assert kept_tag(host_tag("a.example", long)) != kept_tag(host_tag("b.example", long))
    assert of_host(host_tag("a.example", "t")) == ("a.example", "t")
    assert of_host(host_tag("a.example", path_tag("/x"))) == ("a.example", path_tag("/x"))
    assert of_host(path_tag("/x")) is None
    # A user's tag can't be taken for a built-in one.
    assert host_tag("a.example", "path:/x") != host_tag("a.example", path_tag("/x"))
    assert host_tag("a.example", " t") != host_tag("a.example", "t")
