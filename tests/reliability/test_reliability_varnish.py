"""Debian's Varnish in front of a real server: who asks after the purge was acknowledged gets nothing old."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import httpx2
import pytest
from served_pond import millpond, served, write_project
from varnish_front import VARNISHD, has_xkey, held_wire, toml_of, varnish

from started_server import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from served_pond import Served
    from varnish_front import HeldWire

pytestmark = pytest.mark.skipif(VARNISHD is None, reason="varnishd is not installed")

METHODS = [
    "ban",
    pytest.param(
        "xkey", marks=pytest.mark.skipif(not has_xkey(), reason="vmod xkey (varnish-modules) isn't installed")
    ),
]
AGAIN_AFTER = 0.25
TOKEN, TOKEN_ENV = "a-token-of-varnish", "VARNISH_PURGE_TOKEN"
READERS, WRITES, KEYS = 6, 12, 4

ROUTES = {
    "app/purged/[key]/route.py": """\
from millpond import purged, revalidate_tag
from truth import write


async def POST(key: str, version: int):
    write(key, version)
    await purged(revalidate_tag(f"known:{key}", {"expire": 0}))


async def PUT():
    await purged()
""",
    "app/soft/[key]/route.py": """\
from millpond import purged, revalidate_tag
from truth import write


async def POST(key: str, version: int):
    write(key, version)
    await purged(revalidate_tag(f"known:{key}", "max"))
""",
    "app/mine/route.py": """\
from millpond import cookies


def GET():
    return {"name": cookies().get("name")}
""",
}


@dataclass
class Front:
    """A server with a Varnish in front."""

    server: Served
    url: str
    method: str

    @property
    def behind(self) -> str:
        return f"http://127.0.0.1:{self.server.port}"


def project(folder: Path, purger: dict[str, object]) -> Path:
    write_project(folder)
    for name, text in ROUTES.items():
        (folder / name).parent.mkdir(parents=True)
        (folder / name).write_text(text, "utf-8")
    with (folder / "millpond.toml").open("a") as config:
        config.write("\n" + toml_of(purger))
    return folder


@pytest.fixture(scope="module", params=METHODS)
def front(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    """Two workers and a Varnish that wants a token."""
    folder, port, method = tmp_path_factory.mktemp("fronted"), free_port(), request.param
    purger = {"addresses": [f"http://127.0.0.1:{port}"], "method": method, "token_env": TOKEN_ENV}
    project(folder / "pond", {**purger, "again_after": AGAIN_AFTER})
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv(TOKEN_ENV, TOKEN)
        with (
            served(folder / "pond", workers=2) as server,
            varnish(folder / "varnish", port, server.port, method, TOKEN),
        ):
            yield Front(server, f"http://127.0.0.1:{port}", method)


def client(url: str) -> httpx2.AsyncClient:
    return httpx2.AsyncClient(base_url=url, trust_env=False, timeout=20)


def was_hit(answer: httpx2.Response) -> bool:
    """Whether Varnish had it: then it names two requests, this one and the one that brought it."""
    return len(answer.headers["x-varnish"].split()) == 2


@dataclass
class Watch:
    """Reads while versions are written; each read has to see what was acknowledged before it began."""

    least: list[int] = field(default_factory=lambda: [0] * KEYS)
    reads: int = 0
    hits: int = 0
    done: bool = False
    violations: list[str] = field(default_factory=list)

    async def read(self, front: Front, reader: int) -> None:
        async with client(front.url) as browser:
            while not self.done:
                key = (self.reads + reader) % KEYS
                least = self.least[key]
                answer = await browser.get(f"/values/k{key}", headers={"cookie": f"name=reader{reader}"})
                seen = answer.json()["version"] if answer.status_code == 200 else -1
                self.reads += 1
                self.hits += was_hit(answer)
                if seen < least:
                    self.violations.append(f"k{key}: {seen} after {least} ({dict(answer.headers)})")

    async def write(self, front: Front) -> None:
        async with client(front.behind) as editor:
            for version in range(1, WRITES + 1):
                key = version % KEYS
                assert (await editor.post(f"/purged/k{key}?version={version}")).status_code == 200
                self.least[key] = version
        self.done = True


def test_who_asks_after_the_purge_was_acknowledged_gets_nothing_old(front: Front) -> None:
    watch = Watch()

    async def watched() -> None:
        await asyncio.gather(watch.write(front), *(watch.read(front, number) for number in range(READERS)))

    asyncio.run(watched())
    assert watch.violations == []
    assert watch.hits > 100  # else Varnish kept nothing, and nothing is shown
    assert "purging" not in front.server.log()


def test_what_a_command_invalidates_is_gone_from_varnish_when_it_ends(front: Front) -> None:
    def seen() -> tuple[int, bool]:
        answer = httpx2.get(f"{front.url}/values/told", trust_env=False)
        return answer.json()["version"], was_hit(answer)

    assert [seen() for _ in range(2)] == [(0, False), (0, True)]
    (front.server.folder / "truth" / "told").write_text("1")
    done = millpond(front.server.folder, "revalidate", "--path", "/values/[key]")
    assert (done.returncode, done.stderr) == (0, "")
    assert [seen() for _ in range(2)] == [(1, False), (1, True)]


def test_an_invalidation_that_lets_old_answers_be_served_does_so_in_varnish_too(front: Front) -> None:
    async def seen() -> list[tuple[int, bool]]:
        async with client(front.behind) as editor, client(front.url) as browser:

            async def read() -> tuple[int, bool]:
                answer = await browser.get("/values/soft")
                return answer.json()["version"], was_hit(answer)

            before = [await read(), await read()]
            assert (await editor.post("/soft/soft?version=1")).status_code == 200
            after = [await read()]
            while after[-1] != (1, True):
                await asyncio.sleep(0.02)
                after.append(await read())
            return [before[1], after[0]]

    # With xkey Varnish has it still, as stale; bans are always hard, and the stale answer comes from behind.
    assert asyncio.run(asyncio.wait_for(seen(), 20)) == [(0, True), (0, front.method == "xkey")]


def test_varnish_keeps_nothing_of_what_is_one_visitors_own(front: Front) -> None:
    async def seen() -> list[tuple[object, bool]]:
        async with client(front.url) as browser:
            answers = [await browser.get("/mine", headers={"cookie": f"name={name}"}) for name in ("ann", "bob", "bob")]
            draft = [await browser.get("/values/draft", headers={"cookie": "__prerender_bypass=x"}) for _ in range(2)]
            assert not any(map(was_hit, draft))
            return [(answer.json()["name"], was_hit(answer)) for answer in answers]

    assert asyncio.run(seen()) == [("ann", False), ("bob", False), ("bob", False)]


def test_nobody_without_the_token_purges(front: Front) -> None:
    headers = {"xkey-purge": "known:k0", "xkey-ban": "known:k0"}
    for verb in ("PURGE", "BAN"):
        assert httpx2.request(verb, front.url, headers=headers, trust_env=False).status_code == 403


def test_an_answer_that_was_on_its_way_when_the_purge_came_by_goes_with_the_second(tmp_path: Path) -> None:
    async def seen() -> list[int]:
        port = free_port()
        async with held_wire(port) as to_varnish:
            address = f"http://127.0.0.1:{to_varnish.port}"
            project(tmp_path / "pond", {"addresses": [address], "method": "ban", "again_after": 2.0})
            with served(tmp_path / "pond", workers=1) as server:
                async with held_wire(server.port) as to_pond:
                    with varnish(tmp_path / "varnish", port, to_pond.port, "ban"):
                        front = Front(server, f"http://127.0.0.1:{port}", "ban")
                        return await _overtaken(front, to_varnish, to_pond)

    assert asyncio.run(seen()) == [0, 0, 1]


async def _overtaken(front: Front, to_varnish: HeldWire, to_pond: HeldWire) -> list[int]:
    """What is read: by who asked before the invalidation; after the first purge; and after the second."""
    async with client(front.behind) as editor, client(front.url) as browser:
        assert (await editor.get("/values/k")).headers["x-nextjs-cache"] == "MISS"
        to_pond.hold()
        before = asyncio.create_task(browser.get("/values/k"))
        await to_pond.until(1)
        assert (await editor.post("/values/k?version=1")).status_code == 200
        acknowledged = asyncio.create_task(editor.put("/purged/k"))
        await to_varnish.until(1)
        to_pond.open.set()
        answers = [await before, await browser.get("/values/k")]
        assert (await acknowledged).status_code == 200
        answers.append(await browser.get("/values/k"))
        return [answer.json()["version"] for answer in answers]
