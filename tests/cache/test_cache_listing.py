"""What lists the paths to render: its data is cached like a handler's, and it invalidates nothing (R2.10, R5.9).

Scripts whose cache is in their own memory invalidate nothing, either (R6.16).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from fastapi import FastAPI
from upstreams import upstream

from millpond import Millpond, UsageError, revalidate_path, revalidate_tag, update_tag
from millpond.config import parse_config
from ponds import client_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from millpond.cache.invalidation_order import Invalidation
    from ponds import Project

pytestmark = pytest.mark.anyio

LISTS = """
from millpond import cached, fetch
{config}
async def generate_static_params():
    answer = await fetch("URL/list"{options})
    return [{{"slug": answer.text.split()[-1]}}]
async def GET(slug):
    return [slug, (await fetch("URL/list"{options})).text]
"""


@pytest.mark.parametrize(
    ("compat", "config"), [("14", ""), ("15", "dynamic_params = False"), ("16", "dynamic_params = False"), ("cc", "")]
)
async def test_one_call_for_all_routes(project: Project, compat: str, config: str) -> None:
    versions: dict[str, object] = {"compat": "16", "cache_components": True} if compat == "cc" else {"compat": compat}
    async with upstream() as source:
        text = LISTS.format(options=', cache="force-cache"', config=config).replace("URL", source.url)
        project.routes({f"/{name}/[slug]": text for name in "abc"})
        records = await project.built(**versions)
        assert [path.path for record in records.values() for path in record.paths] == ["/a/1", "/b/1", "/c/1"]


@pytest.mark.parametrize("compat", ["14", "15", "16"])
async def test_a_bare_call_is_kept_for_the_build_and_an_uncached_one_is_not(project: Project, compat: str) -> None:
    async with upstream() as source:
        bare = LISTS.format(options="", config="").replace("URL", source.url)
        project.routes({f"/{name}/[slug]": bare for name in "ab"})
        records = await project.built(compat=compat)
        assert [path.path for record in records.values() for path in record.paths] == ["/a/1", "/b/1"]
        uncached = """
        from millpond import fetch
        async def generate_static_params():
            answer = await fetch("URL/other", cache="no-store")
            return [{"slug": answer.text.split()[-1]}]
        def GET(slug): return slug
        """.replace("URL", source.url)
        project.routes({f"/{name}/[slug]": uncached for name in "ab"})
        records = await project.built(compat=compat)
        assert sorted(path.path[-1] for record in records.values() for path in record.paths) == ["1", "2"]


CALLS = ["revalidate_tag('a')", "revalidate_tag('a', 'max')", "revalidate_path('/a')", "update_tag('a')"]


async def test_an_invalidation_there_reaches_nobody_and_is_an_error_that_says_where(project: Project) -> None:
    head = "from millpond import revalidate_path, revalidate_tag, update_tag\ndef generate_static_params():\n"
    project.routes(
        {
            f"/{number}/[slug]": f"{head}    {call}\n    return []\ndef GET(slug): return 1\n"
            for number, call in enumerate(CALLS)
        }
    )
    failures = await project.failures()
    for number, call in enumerate(CALLS):
        name = call.partition("(")[0]
        said = f"app/{number}/[slug]/route.py:3: {name}() in generate_static_params, which lists the paths to render"
        assert any(said in failure and "`millpond revalidate`" in failure for failure in failures), failures


NAMES = {
    "cookies": "",
    "headers": "",
    "connection": "",
    "draft_mode": "",
    "response_tags": "'a'",
    "response_life": "'max'",
}


async def test_a_request_or_an_answer_is_not_there_which_is_an_error(project: Project) -> None:
    source = "from millpond import {0}\ndef generate_static_params(): return {0}({1})\ndef GET(slug): return slug\n"
    project.routes({f"/{name}/[slug]": source.format(name, given) for name, given in NAMES.items()})
    failures = await project.failures()
    assert len(failures) == len(NAMES)
    assert all("() works while a route handler runs, and none does here" in failure for failure in failures)


async def test_cached_functions_there_share_their_results_with_handlers(project: Project) -> None:
    function = "@cached\ndef slugs():\n    runs.append(1)\n    return ['a']\n"
    project.write({"data.py": f"from millpond import cached\nruns = []\n{function}"})
    source = "import data\ndef generate_static_params(): return [{'slug': slug} for slug in data.slugs()]\n"
    project.routes(
        {f"/{name}/[slug]": f"{source}def GET(slug): return data.slugs() + [len(data.runs)]\n" for name in "ab"}
    )
    async with project.serving() as running:
        assert [(await running.get(f"/{name}/a")).json() for name in "ab"] == [["a", 1], ["a", 1]]


async def test_a_script_whose_cache_is_in_its_own_memory_is_told_that_it_reaches_nobody(project: Project) -> None:
    project.routes({"/": "from millpond import revalidate_tag\ndef POST(): return revalidate_tag('a').tags\n"})
    calls: list[Callable[[], Invalidation]] = [
        lambda: revalidate_tag("a"),
        lambda: update_tag("a"),
        lambda: revalidate_path("/"),
    ]
    for store in ("memory", "lmdb"):
        config = parse_config({**project.config, "cache": {"store": store}}, "millpond.toml")
        pond = Millpond(project.folder / "app", config=config)
        pond.isolated = False  # as in a process of its own
        async with pond.lifespan():
            for call in calls:
                if store == "lmdb":
                    assert call().tags == 1
                else:
                    with pytest.raises(UsageError, match=r"this process serves nobody.*`millpond revalidate --url`"):
                        call()
            async with client_of(pond) as client:  # it serves somebody after all
                assert (await client.post("/")).json() == 1
            assert calls[0]().tags == 1


class LifespanServer:
    """Between start and stop something outside of handlers invalidates."""

    def __init__(self) -> None:
        self._messages, self.sent = ["shutdown", "startup"], list[str]()

    async def receive(self) -> dict[str, str]:
        kind = self._messages.pop()
        if kind == "shutdown":
            assert revalidate_tag("a").tags == 1
        return {"type": f"lifespan.{kind}"}

    async def send(self, message: Any) -> None:
        self.sent.append(message["type"])


async def test_a_process_that_serves_may_invalidate_before_its_first_request(project: Project) -> None:
    project.routes({"/": "def GET(): return 1\n"})
    config = parse_config({**project.config, "cache": {"store": "memory"}}, "millpond.toml")
    pond = Millpond(project.folder / "app", config=config)
    pond.isolated = False  # as in a process of its own
    for app in (pond, FastAPI(lifespan=pond.lifespan)):
        server = LifespanServer()
        await app({"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}, server.receive, server.send)
        assert server.sent == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
