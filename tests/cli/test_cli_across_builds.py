"""The answers of former builds in a store that outlives them, and what commands say about them."""

from __future__ import annotations

import asyncio
import shutil
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from cli_project import call
from engines import Engine, engine, settle
from millpond import Millpond
from ponds import client_of

if TYPE_CHECKING:
    from cli_project import Done
    from ponds import Project

__all__ = ["engine"]

ROUTE = """\
from lib.{name} import VERSION

revalidate = 3600


def generate_static_params():
    return [{{"slug": "listed"}}]


def GET(slug: str):
    return f"{{slug}} {{VERSION}}"
"""


@dataclass
class Shop:
    """A project whose answers are in a store of a server, or in a file."""

    project: Project
    capsys: pytest.CaptureFixture[str]

    def call(self, *arguments: str) -> Done:
        done = call(self.project.folder, self.capsys, *arguments, "--dir", str(self.project.folder))
        assert done.code == 0, done.err
        return done

    def build(self, name: str, **versions: str) -> None:
        """Build with these versions of what routes return, and keep what a deploy of it takes along as `name`."""
        self.project.write({f"lib/{route}.py": f"VERSION = {version!r}\n" for route, version in versions.items()})
        self.call("build")
        shutil.copytree(self.project.folder / ".millpond/build", self.project.folder / ".kept" / name / "build")
        shutil.copytree(self.project.folder / "lib", self.project.folder / ".kept" / name / "lib")

    def deploy(self, name: str) -> None:
        """Put a former build in place again, with its files."""
        for kept, place in (("build", ".millpond/build"), ("lib", "lib")):
            shutil.rmtree(self.project.folder / place)
            shutil.copytree(self.project.folder / ".kept" / name / kept, self.project.folder / place)

    def ask(self, *paths: str) -> list[str]:
        """Serve the build, and ask for paths: what each answers, and how it was found."""

        async def served() -> list[str]:
            self.call("routes")  # imports the files as they are now
            pond = Millpond(self.project.folder / "app")
            pond.isolated = False  # as a server's process
            async with pond.lifespan(), client_of(pond) as client:
                answers = [await client.get(path) for path in paths]
                assert pond._runtimes.first is not None
                await pond._runtimes.first.drain(5)
                return [f"{answer.json()}: {answer.headers['x-nextjs-cache']}" for answer in answers]

        return asyncio.run(served())

    def stored(self) -> dict[str, Any]:
        """By path: state and reason of the entries of answers that the build didn't render, as listed."""
        listed = self.call("cache", "ls", "--json").facts["entries"]
        return {
            f"{entry['path']} of {entry['build']}": (entry["state"], entry["reason"])
            for entry in listed
            if not entry["path"].endswith("listed")
        }


@pytest.fixture(params=["lmdb", "valkey"])
def shop(
    request: pytest.FixtureRequest,
    project: Project,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> Shop:
    # Python tells a file of the same size and second from its bytecode by nothing.
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    store = "lmdb"
    if request.param == "valkey":
        found: Engine = request.getfixturevalue("engine")
        found.client().flushall()
        settle(found.client(), "shop")
        store = found.url
    configuration = f'[cache]\nstore = "{store}"\nprefix = "shop"\nacross_builds = "stale"\n'
    project.write({"millpond.toml": configuration})
    project.routes({f"/{name}/[slug]": ROUTE.format(name=name) for name in ("one", "two")})
    return Shop(project, capsys)


def test_unchanged_routes_stay_warm_and_changed_ones_start_cold(shop: Shop) -> None:
    shop.build("first", one="1", two="1")
    assert shop.ask("/one/a", "/two/a") == ["a 1: MISS", "a 1: MISS"]
    shop.build("second", one="1", two="2")
    assert shop.ask("/one/a", "/two/a", "/one/listed", "/two/listed") == [
        *("a 1: STALE", "a 2: MISS", "listed 1: HIT", "listed 2: HIT"),
    ]
    assert shop.ask("/one/a", "/two/a") == ["a 1: HIT", "a 2: HIT"]


def test_neither_of_two_builds_serves_the_changed_routes_of_the_other_back_and_forth(shop: Shop) -> None:
    shop.build("first", one="1", two="1")
    shop.build("second", one="1", two="2")
    assert shop.ask("/one/a", "/two/a") == ["a 1: MISS", "a 2: MISS"]
    for name, version in (("first", "1"), ("second", "2"), ("first", "1"), ("second", "2")):
        shop.deploy(name)
        for _ in range(2):
            one, two, *listed = shop.ask("/one/a", "/two/a", "/one/listed", "/two/listed")
            assert one in ("a 1: HIT", "a 1: STALE")
            assert two.startswith(f"a {version}: ")
            assert listed == ["listed 1: HIT", f"listed {version}: HIT"]


def test_commands_tell_what_a_former_build_has_left(shop: Shop) -> None:
    shop.build("first", one="1", two="1")
    assert shop.ask("/one/a", "/two/a") == ["a 1: MISS", "a 1: MISS"]
    first = shop.call("explain", "/one/a", "--json").facts["cache"]
    assert (first["answer"], first["reason"]) == ("HIT", "fresh")
    shop.build("second", one="1", two="2")
    explained = shop.call("explain", "/one/a", "--json").facts["cache"]
    assert (explained["answer"], explained["reason"], explained["build"]) == ("STALE", "former-build", first["build"])
    assert f"STALE (former-build), by the running store, where build {first['build']} has left it" in (
        shop.call("explain", "/one/a").out
    )
    cold = shop.call("explain", "/two/a", "--json").facts["cache"]
    assert (cold["answer"], cold["reason"], cold["build"]) == ("MISS", "cold", None)
    assert shop.stored() == {
        f"/one/a of {first['build']}": ("stale", "former-build"),
        f"/two/a of {first['build']}": ("dead", "other-build"),
    }
    shop.call("cache", "prune")
    assert shop.stored() == {f"/one/a of {first['build']}": ("stale", "former-build")}
    assert shop.ask("/one/a", "/two/a") == ["a 1: STALE", "a 2: MISS"]


def test_what_is_purged_is_purged_of_former_builds_too(shop: Shop) -> None:
    shop.build("first", one="1", two="1")
    assert shop.ask("/one/a") == ["a 1: MISS"]
    shop.build("second", one="1", two="2")
    shop.call("cache", "purge", "--path", "/one/a")
    assert shop.ask("/one/a") == ["a 1: MISS"]


def test_an_invalidation_between_two_builds_ends_what_the_former_one_has_left(shop: Shop) -> None:
    shop.build("first", one="1", two="1")
    assert shop.ask("/one/a") == ["a 1: MISS"]
    shop.call("revalidate", "--path", "/one/a")
    shop.build("second", one="1", two="2")
    assert shop.ask("/one/a") == ["a 1: MISS"]


@pytest.mark.parametrize("shop", ["valkey"], indirect=True)
def test_published_answers_are_found_by_hosts_that_share_answers(shop: Shop) -> None:
    shop.build("first", one="1", two="1")
    shop.call("build", "--publish")
    for entries in (shop.project.folder / ".millpond/build").glob("entries-*.bin"):
        entries.unlink()
    assert shop.ask("/one/listed", "/two/listed") == ["listed 1: HIT", "listed 1: HIT"]
