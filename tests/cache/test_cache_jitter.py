"""`jitter`: answers and data that were made together go stale one after the other."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from millpond.config import parse_config
from millpond.errors import ConfigError
from millpond.policy.lifetime import drawn_jitter
from millpond.stores.memory import MemoryStore

if TYPE_CHECKING:
    from millpond.policy.entry import Entry
    from ponds import Project, Running

pytestmark = pytest.mark.anyio

MANY = """
revalidate = 60
def generate_static_params():
    return [{"id": str(number)} for number in range(40)]
def GET(id: str):
    return id
"""

DATA = """
from millpond import cached, cache_life, response_life
revalidate = False

@cached(revalidate=100)
async def by_config():
    return 1

@cached(life="short")
async def by_profile():
    return 2

@cached
async def by_call():
    cache_life(revalidate=100, jitter=0.5)
    cache_life("hours")
    return 3

@cached
async def exact():
    cache_life(revalidate=100, jitter=0)
    return 4

async def GET():
    response_life(jitter=0.25)
    return [await one() for one in (by_config, by_profile, by_call, exact)]
"""


async def test_pages_of_one_build_go_stale_one_after_the_other(project: Project) -> None:
    project.routes({"/p/[id]": MANY})
    async with project.serving(cache={"jitter": 0.5}) as served:
        stale = set()
        for _ in range(6):
            project.clock.move(10)
            answers = {number: await served.get(f"/p/{number}") for number in range(40)}
            await served.settle()
            stale |= {number for number, answer in answers.items() if answer.headers["x-nextjs-cache"] == "STALE"}
            if project.clock.now % 60 == 30:
                assert not stale
        assert len(stale) == 40


async def test_headers_follow_what_was_drawn(project: Project) -> None:
    project.routes({"/p/[id]": MANY})
    async with project.serving(cache={"jitter": 0.5}) as served:
        entry = served.entry("/p/[id]", id="7")
        assert entry is not None
        assert entry.jitter == drawn_jitter(0.5, entry.key, entry.rendered_at)
        assert entry.lifetime.revalidate == 60
        stale_after = 60 * (1 - entry.jitter)
        for age, cache in ((0, "HIT"), (int(stale_after), "HIT"), (int(stale_after) + 1, "STALE")):
            project.clock.now = entry.rendered_at + age
            for _ in range(2):
                answer = await served.get("/p/7")
                assert answer.headers["x-nextjs-cache"] == cache
                assert answer.headers["age"] == str(age)
                assert f"s-maxage={int(stale_after)}," in answer.headers["cache-control"]
                ttl = int(re.findall(r"ttl=(-?\d+)", answer.headers["cache-status"])[0])
                assert ttl == (stale_after - age) // 1


async def test_each_lifetime_may_have_its_own_and_the_widest_of_one_wins(project: Project) -> None:
    project.routes({"/": DATA})
    config = {"cache": {"jitter": 0.1}, "cache_life": {"short": {"revalidate": 50, "jitter": 0.2}}}
    async with project.serving(**config) as served:
        assert await served.cache("/") == "HIT"
        project.clock.move(51)
        assert await served.cache("/") == "STALE"
        await served.settle()
        found = {entry.body: entry for entry in entries(served)}
        assert len(found) == 5
        results = ((b"\x00\x01", 0.1), (b"\x00\x02", 0.2), (b"\x00\x03", 0.5), (b"\x00\x04", 0))
        for body, share in (*results, (b"[1,2,3,4]", 0.25)):
            entry = found[body]
            assert entry.jitter == drawn_jitter(share, entry.key, entry.rendered_at)
        # the page lives as long as its data is declared to, not as what was drawn for that
        page = served.entry("/")
        assert page is not None
        assert page.revalidate == 50


def entries(served: Running) -> list[Entry]:
    store = served.pond.store
    assert isinstance(store, MemoryStore)
    return [*store._entries.values()]


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"cache": {"jitter": 1}}, '"cache.jitter" is 1'),
        ({"cache": {"jitter": -0.1}}, '"cache.jitter" is -0.1'),
        ({"cache_life": {"short": {"jitter": 2}}}, '"cache_life.short.jitter" is 2; it must be a share'),
    ],
)
def test_what_is_no_share_is_a_mistake_in_the_configuration(config: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(said)):
        parse_config(config, "millpond.toml")
